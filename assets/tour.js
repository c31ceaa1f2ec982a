// The tour: scrolls to the section of a step, turns slides by key and by swipe, and remembers that somebody left it.
const FORWARD = ["ArrowRight", "PageDown", " ", "Enter"], BACK = ["ArrowLeft", "PageUp", "Backspace"];

function scrollTo(anchor, tries) {
  const target = document.getElementById(anchor);
  if (target) {
    const band = document.querySelector(".st-key-tour");
    target.style.scrollMarginTop = `${(band?.offsetHeight ?? 0) + 84}px`;
    target.scrollIntoView({ block: "start" });
  } else if (tries) setTimeout(() => scrollTo(anchor, tries - 1), 250);
}

export default function ({ parentElement, data, setTriggerValue }) {
  if (data.left) document.cookie = "workbench_tour_left=1; max-age=31536000; path=/; SameSite=Strict";
  if (data.anchor && parentElement.scrolled !== data.step) {
    parentElement.scrolled = data.step;
    setTimeout(() => scrollTo(data.anchor, 40), 300);
  }
  if (!data.present) return undefined;
  let step = data.step, from = null;  // keys come faster than slides

  function turn(to) {
    if (to < 1 || to > data.count || to === step) return;
    step = to;
    setTriggerValue("step", step);
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const to = FORWARD.includes(event.key) ? step + 1 : BACK.includes(event.key) ? step - 1
      : event.key === "Home" ? 1 : event.key === "End" ? data.count : event.key === "Escape" ? 0 : null;
    if (to === null) return;
    event.preventDefault();
    if (to === 0) setTriggerValue("step", 0);
    else turn(to);
  }

  const touched = (event) => { from = event.changedTouches[0].clientX; };
  const lifted = (event) => {
    const by = event.changedTouches[0].clientX - (from ?? 0);
    if (from !== null && Math.abs(by) > 60) turn(step - Math.sign(by));
    from = null;
  };
  const tapped = (event) => { if (event.target.closest?.(".wb-count")) setTriggerValue("step", 0); };
  document.addEventListener("click", tapped);
  document.addEventListener("keydown", pressed);
  document.addEventListener("touchstart", touched, { passive: true });
  document.addEventListener("touchend", lifted, { passive: true });
  return () => {
    document.removeEventListener("click", tapped);
    document.removeEventListener("keydown", pressed);
    document.removeEventListener("touchstart", touched);
    document.removeEventListener("touchend", lifted);
  };
}
