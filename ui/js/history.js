// The browser's history: an address that a page completes when it is opened takes the place of the one it was opened
// by. Streamlit adds an entry for every change of an address, so Back would lead to the same page once more; after two
// quick presses of Back it adds the page between them too, which answers only then.

const INSTALLED = "detrLabHistory"

/** Have it so from now on, once for the window. */
export function keepHistoryShort() {
  const { documentElement } = document
  if (documentElement.dataset[INSTALLED]) return
  documentElement.dataset[INSTALLED] = "1"
  // since the page was opened: what changes its address then is the page itself
  let isUntouched = !navigator.userActivation?.hasBeenActive // a busy machine comes here after the first click
  let isLeaving = false // a link to another page was clicked: Streamlit takes back some of this one's address first
  const push = history.pushState.bind(history)
  for (const kind of ["pointerdown", "keydown"]) {
    addEventListener(kind, (event) => {
      isUntouched = false
      const link = event.target instanceof Element ? event.target.closest("a[href]") : null
      isLeaving = link instanceof HTMLAnchorElement && new URL(link.href).pathname !== location.pathname
    }, { capture: true, passive: true })
  }
  addEventListener("popstate", () => { isUntouched = true }, { capture: true })
  history.pushState = (state, title, url) => {
    const isSamePage = new URL(url ?? "", location.href).pathname === location.pathname
    if (isSamePage && isLeaving) return // the entry keeps the address that the user leaves
    if (isUntouched) history.replaceState(state, title, url)
    else push(state, title, url)
    if (!isSamePage) [isUntouched, isLeaving] = [true, false]
  }
}
