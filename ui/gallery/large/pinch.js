// Two fingers on a picture: they zoom it, and what one of them had begun is over.

/**
 * Call `zoom` with how many times further apart two fingers are than before, and with the point between them.
 * @param {HTMLElement} root
 * @param {(factor: number, between: { clientX: number, clientY: number }) => void} zoom
 */
export function watchPinch(root, zoom) {
  /** @type {Map<number, PointerEvent>} */
  const fingers = new Map()
  const apart = () => {
    const [a, b] = [...fingers.values()]
    return Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY))
  }
  root.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch") return
    fingers.set(event.pointerId, event)
    if (fingers.size < 2) return
    root.onpointercancel?.(event)
    event.stopImmediatePropagation()
  }, { capture: true })
  root.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return
    const isPinch = fingers.size === 2, before = isPinch ? apart() : 1
    fingers.set(event.pointerId, event)
    if (!isPinch) return
    const [a, b] = [...fingers.values()]
    zoom(apart() / before, { clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 })
    event.stopImmediatePropagation()
  }, { capture: true })
  for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
    root.addEventListener(name, (event) => fingers.delete(event.pointerId), { capture: true })
  }
}
