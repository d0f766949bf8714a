// An equation wider than a phone can be scrolled by a finger; a place in the tab order lets arrow keys do it, too.
function mark() {
  for (const equation of document.querySelectorAll("mjx-container[display]")) {
    if (equation.scrollWidth > equation.clientWidth) equation.tabIndex = 0;
    else equation.removeAttribute("tabindex");
  }
}
addEventListener("load", async () => {
  await globalThis.MathJax?.startup?.promise;
  mark();
  addEventListener("resize", mark);
});
