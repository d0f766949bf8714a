// A picture on the page, pixel by pixel, that a reader can point at.
import { bitmapAddress } from "./core/bitmap.js";
import { h, setAttribute } from "./ui.js";

/** A square that shows a picture as blocks of pixels: on a canvas, or as an image where there is none. */
export function screen(attributes = {}) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const context = canvas.getContext?.("2d");
  const picture = context ? canvas : h("img", { alt: "" });
  const ring = h("div", { class: "pw-ring", "aria-hidden": "true" });
  const element = h("div", { class: "pw-screen", ...attributes }, picture, ring);
  return {
    element, isLive: Boolean(context),
    draw(rgb, height, width) {
      const side = Math.max(height, width);
      setAttribute(picture, "style", `width: ${(100 * width) / side}%; height: ${(100 * height) / side}%`);
      if (!context) return setAttribute(picture, "src", bitmapAddress(rgb, height, width));
      if (canvas.height !== height || canvas.width !== width) Object.assign(canvas, { height, width });
      const image = context.createImageData(width, height);
      for (let n = 0; n < height * width; n++) image.data.set([rgb[3 * n], rgb[3 * n + 1], rgb[3 * n + 2], 255], 4 * n);
      context.putImageData(image, 0, 0);
    },
    /** A ring of `size` pixels around a pixel of a picture of this height and width. */
    point(place, size, shape, { height, width }) {
      const side = Math.max(height, width);
      const at = (position, length) => `${((100 * (position + 0.5 + (side - length) / 2)) / side).toFixed(2)}%`;
      const style = place && `top: ${at(place[0], height)}; left: ${at(place[1], width)}; width: ${((100 * size) / side).toFixed(2)}%`;
      setAttribute(ring, "style", style ? style : "display: none");
      setAttribute(ring, "class", `pw-ring${shape === "square" ? " pw-ring-square" : ""}`);
    },
    /** The pixel under the pointer, of a picture of this height and width; null beside it. */
    placeOf(event, { height, width }) {
      const box = element.getBoundingClientRect();
      const side = Math.max(height, width);
      const row = Math.floor(((event.clientY - box.top) / box.height) * side - (side - height) / 2);
      const column = Math.floor(((event.clientX - box.left) / box.width) * side - (side - width) / 2);
      return row >= 0 && row < height && column >= 0 && column < width ? [row, column] : null;
    },
  };
}
