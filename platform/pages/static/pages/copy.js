// Buttons that copy the text of the element that they name. They are hidden until this
// runs, so that a page without scripts shows none that does nothing.
const SAID_MS = 2000;

for (const button of document.querySelectorAll("button[data-copies]")) {
  const source = document.getElementById(button.dataset.copies);
  if (!source || !navigator.clipboard) continue;
  const word = button.firstChild;
  const asked = word.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      word.textContent = "Copied";
    } catch {
      // Refused by the browser: the text is selected instead.
      getSelection().selectAllChildren(source);
      word.textContent = "Selected";
    }
    setTimeout(() => (word.textContent = asked), SAID_MS);
  });
}
