"""Names and messages written to be more than text, and how a page in a browser is searched for what became of them.

Each text has a word that nothing else has, so wherever the word is shown, the whole text must be there with its signs.
"""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOREIGN = "example.invalid"


def texts(port: int) -> list[str]:
    """What Markdown, Streamlit, Plotly or a browser would make something of; the first asks the port for a picture."""
    return [
        f"![zqpicture](http://127.0.0.1:{port}/hit)", f"[zqlink](https://{FOREIGN}/a)", ":red[zqcolour]", "**zqbold**",
        f"<img src=http://127.0.0.1:{port}/zqimage>", ":material/delete:zqicon", "$zqformula^2$", "<b>zqtag</b>",
        f"https://zqauto.{FOREIGN}", f"<a href='https://{FOREIGN}'>zqanchor</a>", "`zqcode`", "~~zqgone~~",
        ":streamlit:zqlogo", "<script>zqscript</script>", "_zqstress_", f"zqmail@{FOREIGN}",
    ]  # fmt: skip


def in_one(port: int, beside: str = "") -> str:
    """All of them in one text, as a long message has them."""
    return " ".join([beside, *texts(port)]).strip()


# every shown text with one of the words but not its whole text, and everything that leads to a foreign address
SEARCH = """([texts, foreign]) => {
  const wrong = [], words = texts.map((text) => text.match(/zq[a-z]+/)[0])
  const asPath = (text) => text.replaceAll("//", "/")  // as a path has it
  const visit = (node) => {
    if (node.nodeType === Node.TEXT_NODE) {
      const value = asPath(node.nodeValue.replaceAll("\\u2060", "")), isCut = /…|\\.\\.\\./.test(value)
      words.forEach((word, i) => {
        if (value.includes(word) && !value.includes(asPath(texts[i])) && !isCut) wrong.push(`${word}: ${value}`)
      })
      return
    }
    if (node.nodeType === Node.ELEMENT_NODE) {
      if (["SCRIPT", "STYLE"].includes(node.tagName)) return
      for (const name of ["href", "src", "srcset", "xlink:href", "action", "data", "poster", "style"]) {
        const value = node.getAttribute(name)
        if (value && foreign.some((part) => value.includes(part))) wrong.push(`${node.tagName} ${name}: ${value}`)
      }
    }
    if (node.shadowRoot) visit(node.shadowRoot)
    node.childNodes.forEach(visit)
  }
  visit(document)
  return wrong
}"""
SHOWN = """(words) => {
  const shown = new Set()
  const visit = (node) => {
    if (node.nodeType === Node.TEXT_NODE) words.forEach((word) => node.nodeValue.includes(word) && shown.add(word))
    if (node.shadowRoot) visit(node.shadowRoot)
    node.childNodes.forEach(visit)
  }
  visit(document)
  return [...shown]
}"""


@contextmanager
def listening():
    """A server of a foreign address: its port, and every path that it was asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
