// Makes an element; text is only ever set as text. Appended to curves.js, gallery.js and chart.js.

function element(kind, className, text, parent) {
  const made = document.createElement(kind)
  if (className) made.className = className
  if (text) made.textContent = text
  if (parent) parent.append(made)
  return made
}
