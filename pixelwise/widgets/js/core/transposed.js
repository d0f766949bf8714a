// Transposed convolution, the arithmetic alone: no DOM.
//
// x       input,  [channel][row][column]
// weight  kernel, [in channel][out channel][row][column]; PyTorch's layout
// padding crops the output on every side; output padding lets the bottom and right edge reach further.
import { filled } from "./arrays.js";

/** Length of the output along one dimension: (n − 1) · stride − 2 · padding + k + output padding. */
export const transposedSize = (n, k, stride = 1, padding = 0, outputPadding = 0) =>
  (n - 1) * stride - 2 * padding + k + outputPadding;

/** Every product that the operation adds up for input position (i, j): where it lands and what it is.
 * Rows and columns count on the canvas, which is the output before the crop. */
export function contributionsOf(x, weight, i, j, stride = 1) {
  const terms = [];
  x.forEach((plane, c) =>
    weight[c].forEach((kernel, o) =>
      kernel.forEach((row, u) =>
        row.forEach((w, v) => {
          terms.push({ c, o, u, v, i, j, row: i * stride + u, column: j * stride + v, x: plane[i][j], w, product: plane[i][j] * w });
        }))));
  return terms;
}

/** Every product that reaches canvas cell (row, column) of output channel o, in the order of the input. */
export function contributionsTo(x, weight, o, row, column, stride = 1) {
  const terms = [];
  const [kH, kW] = [weight[0][0].length, weight[0][0][0].length];
  for (let i = 0; i < x[0].length; i++)
    for (let j = 0; j < x[0][0].length; j++) {
      const [u, v] = [row - i * stride, column - j * stride];
      if (u < 0 || v < 0 || u >= kH || v >= kW) continue;
      for (let c = 0; c < x.length; c++)
        terms.push({ c, o, u, v, i, j, row, column, x: x[c][i][j], w: weight[c][o][u][v], product: x[c][i][j] * weight[c][o][u][v] });
    }
  return terms;
}

/** The canvas [o][row][column] after the first `steps` input positions in row-major order (all by default).
 * Output padding adds rows and columns at the bottom and right that no product reaches. */
export function transposedCanvas(x, weight, { stride = 1, outputPadding = 0, steps = Infinity } = {}) {
  const [height, width] = [x[0].length, x[0][0].length];
  const canvas = filled([
    weight[0].length,
    transposedSize(height, weight[0][0].length, stride, 0, outputPadding),
    transposedSize(width, weight[0][0][0].length, stride, 0, outputPadding),
  ]);
  const done = Math.min(steps, height * width);
  for (let step = 0; step < done; step++)
    for (const t of contributionsOf(x, weight, Math.floor(step / width), step % width, stride))
      canvas[t.o][t.row][t.column] += t.product;
  return canvas;
}

/** How many of the first `steps` input positions (all by default) reach each canvas cell, [row][column]. */
export function overlapCounts(height, width, kH, kW, options = {}) {
  const ones = (h, w) => filled([1, h, w], 1);
  return transposedCanvas(ones(height, width), [ones(kH, kW)], options)[0];
}

/** What is left of a canvas plane [row][column] when `padding` crops each side. */
export const crop = (plane, padding) =>
  plane.slice(padding, plane.length - padding).map((row) => row.slice(padding, row.length - padding));

/** The operation itself, [o][row][column]: torch.nn.functional.conv_transpose2d for one image. */
export const transposedConvolution = (x, weight, { stride = 1, padding = 0, outputPadding = 0 } = {}) =>
  transposedCanvas(x, weight, { stride, outputPadding }).map((plane) => crop(plane, padding));
