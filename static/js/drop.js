/* A file dropped on .drop, or chosen with its button, is read into the text field it names. */
async function take(zone, file) {
  const target = document.getElementById(zone.dataset.into);
  target.value = await file.text();
  target.dispatchEvent(new Event("input", { bubbles: true }));
  target.focus();
}

function onDrag(event) {
  const zone = event.target.closest?.(".drop");
  if (zone) {
    event.preventDefault();
    zone.toggleAttribute("data-over", event.type === "dragover");
    if (event.type === "drop" && event.dataTransfer.files.length) {
      take(zone, event.dataTransfer.files[0]);
    }
  }
}

["dragover", "dragleave", "drop"].forEach((type) => document.addEventListener(type, onDrag));
document.addEventListener("change", (event) => {
  const zone = event.target.closest?.(".drop");
  if (zone && event.target.files?.length) {
    take(zone, event.target.files[0]);
  }
});
