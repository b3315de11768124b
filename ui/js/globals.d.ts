// What the scripts keep at the window.

interface Window {
  detrLabPlotly?: Promise<unknown> // the one load of Plotly on this page; a failed one is forgotten
}
