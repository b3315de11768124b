// Makes elements of the page. Text, which may come from a file, is only ever set as text.

const SVG = "http://www.w3.org/2000/svg"

/**
 * Make an element; `text` is set as text, never as markup.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} kind
 * @param {string} [className]
 * @param {string} [text]
 * @param {Element | null} [parent] to whose end it is appended
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(kind, className, text, parent) {
  const made = document.createElement(kind)
  if (className) made.className = className
  if (text) made.textContent = text
  if (parent) parent.append(made)
  return made
}

/**
 * Make an element of an SVG picture.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} kind
 * @param {string} className
 * @param {Element | null} parent
 * @returns {SVGElementTagNameMap[K]}
 */
export function svgElement(kind, className, parent) {
  const made = document.createElementNS(SVG, kind)
  if (className) made.setAttribute("class", className)
  if (parent) parent.append(made)
  return made
}

/**
 * Make a button; `name` is what it is called where its text is a sign, and its tooltip.
 * @param {string} className
 * @param {string} text
 * @param {string} name
 * @param {Element | null} parent
 * @param {(() => void) | null} onclick null: whoever uses it sets it later
 */
export function button(className, text, name, parent, onclick) {
  const made = element("button", className, text, parent)
  made.type = "button"
  if (name) {
    made.setAttribute("aria-label", name)
    made.title = name
  }
  made.onclick = onclick
  return made
}

/**
 * Make a table with a head, and return its body without rows.
 * @param {string} className
 * @param {string[]} columns
 * @param {Element | null} parent
 * @param {(column: number) => string} [classOf] the class of a column's head
 */
export function tableBody(className, columns, parent, classOf = () => "") {
  const table = element("table", className, "", parent)
  const head = element("tr", "", "", element("thead", "", "", table))
  columns.forEach((name, i) => { element("th", classOf(i), name, head).scope = "col" })
  return element("tbody", "", "", table)
}
