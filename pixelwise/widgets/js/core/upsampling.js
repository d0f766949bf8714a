// How evenly an upsampling spreads its input, in one dimension, in two, and on a picture: no DOM.
//
// All kernels here are the outer product of a profile with itself, so that one dimension tells it all.
// Pictures are size × size numbers, row by row.

/** The weights of a kernel of the given size in one dimension. Bilinear weights peak at 1; random ones are 1 to 4. */
export function kernelProfile(kind, size, seed = 0) {
  const positions = Array.from({ length: size }, (_, k) => k);
  if (kind === "uniform") return positions.map(() => 1);
  if (kind === "bilinear") {
    const half = Math.floor((size + 1) / 2);
    const centre = size % 2 ? half - 1 : half - 0.5;
    return positions.map((k) => 1 - Math.abs(k - centre) / half);
  }
  let state = (seed + 1) * 0x9e3779b9;
  const random = () => { // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return positions.map(() => 1 + Math.floor(random() * 4));
}

/** What a line of n samples, each spreading the profile, puts on every output sample: how many products
 * (`counts`) and the sum of their weights (`sums`). */
export function spread(n, profile, stride) {
  const length = (n - 1) * stride + profile.length;
  const [counts, sums] = [Array(length).fill(0), Array(length).fill(0)];
  for (let i = 0; i < n; i++)
    profile.forEach((w, u) => {
      counts[i * stride + u] += 1;
      sums[i * stride + u] += w;
    });
  return { counts, sums };
}

/** What one output sample far from any border receives, for each of the `stride` places it can have. */
export function phases(profile, stride) {
  const [counts, sums] = [Array(stride).fill(0), Array(stride).fill(0)];
  profile.forEach((w, u) => {
    counts[u % stride] += 1;
    sums[u % stride] += w;
  });
  return { counts, sums };
}

/** Whether all numbers are equal, up to rounding. */
export const isEven = (numbers) => Math.max(...numbers) - Math.min(...numbers) < 1e-9;

/** Takes a picture's rows, then its columns, through `line`, which turns n numbers into m. */
function alongBoth(picture, n, m, line) {
  const rows = new Float64Array(n * m);
  for (let i = 0; i < n; i++) rows.set(line(picture.slice(i * n, (i + 1) * n)), i * m);
  const result = new Float64Array(m * m);
  const column = new Float64Array(n);
  for (let j = 0; j < m; j++) {
    for (let i = 0; i < n; i++) column[i] = rows[i * m + j];
    line(column).forEach((value, i) => { result[i * m + j] = value; });
  }
  return result;
}

/** The mean of each stride × stride block: torch's avg_pool2d. */
export const shrink = (picture, size, stride) =>
  alongBoth(picture, size, size / stride, (line) => {
    const means = new Float64Array(size / stride);
    line.forEach((value, k) => { means[Math.floor(k / stride)] += value / stride; });
    return means;
  });

/**
 * The transposed convolution of a picture of n × n numbers, cropped around its middle to n · stride. Its
 * weights are scaled so that the mean brightness stays.
 */
export function upsampleTransposed(picture, n, profile, stride) {
  const scale = stride / profile.reduce((sum, w) => sum + w, 0);
  const first = Math.floor((profile.length - stride) / 2);
  return alongBoth(picture, n, n * stride, (line) => {
    const result = new Float64Array(n * stride);
    for (let i = 0; i < n; i++)
      for (let u = 0; u < profile.length; u++) {
        const place = i * stride + u - first;
        if (place >= 0 && place < result.length) result[place] += line[i] * profile[u] * scale;
      }
    return result;
  });
}

/** The alternative: every number repeated stride times in both directions, then a convolution with the same
 * weights, scaled to the sum 1, zeros outside (torch's padding="same"). */
export function upsampleResized(picture, n, profile, stride) {
  const scale = 1 / profile.reduce((sum, w) => sum + w, 0);
  const first = Math.floor((profile.length - 1) / 2);
  return alongBoth(picture, n, n * stride, (line) => {
    const result = new Float64Array(n * stride);
    for (let k = 0; k < result.length; k++)
      for (let u = 0; u < profile.length; u++) {
        const place = k + u - first;
        if (place >= 0 && place < result.length) result[k] += line[Math.floor(place / stride)] * profile[u] * scale;
      }
    return result;
  });
}
