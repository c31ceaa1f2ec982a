// Hands what lies under the pointer to the map beside it.
export default function ({ data }) {
  document.dispatchEvent(new CustomEvent("workbench-map", { detail: data }));
}
