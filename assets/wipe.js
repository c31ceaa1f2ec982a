// Two images laid on each other: left of a line stands the first, right of it the second.
export default function ({ parentElement, data }) {
  const frame = parentElement.querySelector(".frame"), range = parentElement.querySelector("input");
  const first = frame.querySelector(".first"), second = frame.querySelector(".second");
  const line = frame.querySelector(".line"), names = parentElement.querySelectorAll(".names span");

  function show() {
    second.style.clipPath = `inset(0 0 0 ${range.value}%)`;
    line.style.left = `${range.value}%`;
    range.setAttribute("aria-valuetext", `${range.value} % ${data.names[0]}, ${100 - range.value} % ${data.names[1]}`);
  }

  function pointed(event) {
    const box = frame.getBoundingClientRect();
    range.value = Math.round(Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * 100);
    show();
  }

  if (first.src !== data.first) first.src = data.first;
  if (second.src !== data.second) second.src = data.second;
  data.names.forEach((name, i) => { names[i].textContent = name; });
  first.alt = data.names[0];
  second.alt = data.names[1];
  range.setAttribute("aria-label", `Wipe from ${data.names[0]} to ${data.names[1]}`);
  range.oninput = show;
  frame.onpointerdown = (event) => { if (event.button === 0) { frame.setPointerCapture(event.pointerId); pointed(event); } };
  frame.onpointermove = (event) => { if (frame.hasPointerCapture(event.pointerId)) pointed(event); };
  show();
}
