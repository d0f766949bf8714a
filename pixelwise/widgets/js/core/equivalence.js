// The operations that a transposed convolution is equal to, for one channel: no DOM.
//
// x       small plane [row][column]: a convolution's output, its transposed convolution's input
// kernel  [row][column]
import { filled, shapeOf } from "./arrays.js";

/** The plane with stride − 1 zeros between its numbers and k − 1 − padding zeros around them. */
export function insertZeros(x, [kH, kW], stride = 1, padding = 0) {
  const [height, width] = shapeOf(x);
  const [top, left] = [kH - 1 - padding, kW - 1 - padding];
  const plane = filled([(height - 1) * stride + 1 + 2 * top, (width - 1) * stride + 1 + 2 * left]);
  x.forEach((row, i) => row.forEach((value, j) => { plane[top + i * stride][left + j * stride] = value; }));
  return plane;
}

/** The kernel turned by 180°. */
export const turned = (kernel) => kernel.map((row) => [...row].reverse()).reverse();

/** Slides the kernel over a plane and sums the products at every place: torch's conv2d. */
export function gather(plane, kernel, stride = 1) {
  const [[height, width], [kH, kW]] = [shapeOf(plane), shapeOf(kernel)];
  const output = filled([Math.floor((height - kH) / stride) + 1, Math.floor((width - kW) / stride) + 1]);
  output.forEach((row, i) => row.forEach((_, j) =>
    kernel.forEach((weights, u) => weights.forEach((w, v) => { row[j] += plane[i * stride + u][j * stride + v] * w; }))));
  return output;
}

/**
 * The matrix M of the convolution that takes a large plane, padded with zeros, to a small one; both are
 * flattened row by row. Row: small position. Column: large position. An entry is `[u, v]`, the place of the
 * kernel weight that stands there, or `null` for a zero that no weight can change.
 */
export function convolutionMatrix([height, width], [rows, columns], [kH, kW], stride = 1, padding = 0) {
  const matrix = filled([height * width, rows * columns], null);
  for (let i = 0; i < height; i++)
    for (let j = 0; j < width; j++)
      for (let u = 0; u < kH; u++)
        for (let v = 0; v < kW; v++) {
          const [row, column] = [i * stride + u - padding, j * stride + v - padding];
          if (row >= 0 && column >= 0 && row < rows && column < columns) matrix[i * width + j][row * columns + column] = [u, v];
        }
  return matrix;
}

/** Rows become columns. */
export const transposed = (matrix) => matrix[0].map((_, column) => matrix.map((row) => row[column]));
