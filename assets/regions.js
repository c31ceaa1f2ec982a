// An image on which boxes are drawn with pointer or touch. Each finished box is told to the app as shares of the image.
export default function ({ parentElement, data, setTriggerValue }) {
  const frame = parentElement.querySelector(".frame"), image = parentElement.querySelector("img");
  const box = parentElement.querySelector(".box");
  let start = null;
  if (image.getAttribute("src") !== data.src) image.setAttribute("src", data.src);
  image.setAttribute("alt", data.alt);
  box.hidden = true;

  function place(event) {
    const area = frame.getBoundingClientRect();
    return [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height].map((share) => Math.min(Math.max(share, 0), 1));
  }

  function ends(event) {
    const now = place(event);
    return [Math.min(start[0], now[0]), Math.min(start[1], now[1]), Math.max(start[0], now[0]), Math.max(start[1], now[1])];
  }

  frame.onpointerdown = (event) => {
    if (event.button !== 0) return;
    start = place(event);
    frame.setPointerCapture(event.pointerId);
    event.preventDefault();
  };
  frame.onpointermove = (event) => {
    if (!start) return;
    const [left, top, right, bottom] = ends(event);
    Object.assign(box.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * (right - left)}%`, height: `${100 * (bottom - top)}%` });
    box.hidden = false;
  };
  frame.onpointerup = (event) => {
    if (!start) return;
    const found = ends(event);
    start = null;
    const area = frame.getBoundingClientRect();
    const wide = (found[2] - found[0]) * area.width, high = (found[3] - found[1]) * area.height;
    if (wide < 4 && high < 4) {
      box.hidden = true;
      return;
    }
    const grown = [found[0], found[1], Math.max(found[2], found[0] + 1 / area.width), Math.max(found[3], found[1] + 1 / area.height)];
    setTriggerValue("boxed", grown.map((share) => Math.min(share, 1)));
  };
  frame.onpointercancel = () => { start = null; box.hidden = true; };
}
