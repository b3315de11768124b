// What every component needs; appended to curves.js, gallery.js and chart.js.

/** Makes an element; text is only ever set as text. */

function element(kind, className, text, parent) {
  const made = document.createElement(kind)
  if (className) made.className = className
  if (text) made.textContent = text
  if (parent) parent.append(made)
  return made
}

/**
 * A component's clean-up. Streamlit may ask for it although the component stays, when new data comes before its first
 * call is through: so it happens only if the place is really gone a moment later.
 */
function whenGone(parentElement, cleanUp) {
  return () => setTimeout(() => { if (!parentElement.isConnected) cleanUp() })
}
