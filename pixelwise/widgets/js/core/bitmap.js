// A picture as the address of an image, for where there is no canvas: a page as it is built, or without JavaScript.

/** A BMP of 24 bits as a data URL; `rgb` has three numbers from 0 to 255 a pixel, row by row from the top. */
export function bitmapAddress(rgb, height, width) {
  const row = Math.ceil((3 * width) / 4) * 4; // rows fill whole words
  const bytes = new Uint8Array(54 + row * height);
  const view = new DataView(bytes.buffer);
  const header = [[0, 0x4d42, 2], [2, bytes.length, 4], [10, 54, 4], [14, 40, 4], [18, width, 4], [22, -height, 4], [26, 1, 2], [28, 24, 2]];
  for (const [at, value, size] of header) size === 2 ? view.setUint16(at, value, true) : view.setInt32(at, value, true);
  for (let r = 0; r < height; r++)
    for (let c = 0; c < width; c++) for (let k = 0; k < 3; k++) bytes[54 + r * row + 3 * c + k] = rgb[3 * (r * width + c) + 2 - k];
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return `data:image/bmp;base64,${btoa(text)}`;
}

/** A picture at a fraction of its size, each pixel the mean of factor × factor. */
export function shrunk(rgb, height, width, factor) {
  const [rows, columns] = [Math.floor(height / factor), Math.floor(width / factor)];
  const result = new Uint8Array(rows * columns * 3);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++)
      for (let k = 0; k < 3; k++) {
        let sum = 0;
        for (let i = 0; i < factor; i++) for (let j = 0; j < factor; j++) sum += rgb[3 * ((r * factor + i) * width + c * factor + j) + k];
        result[3 * (r * columns + c) + k] = Math.round(sum / factor ** 2);
      }
  return { rgb: result, height: rows, width: columns };
}
