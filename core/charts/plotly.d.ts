// What the scripts use of Plotly, which a page loads as a global before it draws.

interface PlotlyBox extends HTMLDivElement {
  layout: Record<string, any>
  on(event: string, react: (event: any) => void): void
}

interface PlotlyLibrary {
  newPlot(box: HTMLElement, data: object[], layout: object, config: object): Promise<PlotlyBox>
  react(box: HTMLElement, data: object[], layout: object, config: object): Promise<PlotlyBox>
  redraw(box: HTMLElement): Promise<PlotlyBox>
  purge(box: HTMLElement): void
  downloadImage(figure: object, options: object): Promise<string>
  Plots: { resize(box: HTMLElement): Promise<void> }
}

interface Window {
  Plotly: PlotlyLibrary // undefined until it is loaded
}
