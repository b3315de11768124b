// What a component of Streamlit is made of: a view that outlives the page's reruns, and what happens to it at each.
import { keepHistoryShort } from "./history.js"
import { onPrint } from "./print.js"
import { spreadScheme } from "./theme.js"

keepHistoryShort()

/**
 * What Streamlit calls a component with: first when it is mounted, and again whenever data or theme have changed.
 * @template Data
 * @typedef {{ parentElement: HTMLElement | ShadowRoot, data: Data,
 *   setTriggerValue: (name: string, value: unknown) => void }} Call
 */

/**
 * Return a component's default export. Each place where it is mounted has one view, made at its first call: whatever
 * the component keeps, as its elements, the user's choices and zoom.
 *
 * @template View, Data
 * @param {object} parts
 * @param {string} parts.root selector of the component's root, an element of its HTML
 * @param {(root: HTMLElement, data: Data) => View} parts.make builds a view in its root
 * @param {(data: Data) => string} parts.signature of the data that `take` reads
 * @param {(view: View, data: Data, tell: Call<Data>["setTriggerValue"]) => void} [parts.connect] at each call, first
 * @param {(view: View, data: Data) => void} parts.take builds the view anew; called only if the signature has changed
 * @param {(view: View, data: Data) => void} [parts.show] at each call, last: the theme may have changed
 * @param {(view: View, isPrinting: boolean) => void} [parts.print] draws all for paper, at once; after it, as before
 * @param {(view: View) => void} [parts.leave] takes back what reaches beyond the root, once the component is gone
 * @returns {(call: Call<Data>) => () => void}
 */
export function makeComponent({ root, make, signature, connect, take, show, print, leave }) {
  /** @type {WeakMap<Node, { view: View, signature: string | null, forget?: () => void }>} */
  const mounted = new WeakMap()
  return ({ parentElement, data, setTriggerValue }) => {
    spreadScheme()
    let kept = mounted.get(parentElement)
    if (!kept) {
      const place = /** @type {HTMLElement} */ (parentElement.querySelector(root))
      place.replaceChildren() // a view of an older version of the scripts
      kept = { view: make(place, data), signature: null }
      mounted.set(parentElement, kept)
      const { view } = kept
      if (print) kept.forget = onPrint((isPrinting) => { if (parentElement.isConnected) print(view, isPrinting) })
    }
    const { view, forget } = kept
    connect?.(view, data, setTriggerValue)
    if (kept.signature !== signature(data)) {
      kept.signature = signature(data)
      take(view, data)
    }
    show?.(view, data)
    // Streamlit may ask for it although the component stays, when new data comes before its first call is through
    return () => {
      setTimeout(() => {
        if (parentElement.isConnected) return
        leave?.(view)
        forget?.()
        mounted.delete(parentElement)
      })
    }
  }
}
