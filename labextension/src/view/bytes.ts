// Sizes for people, in the words dask.utils.format_bytes uses, so that the panel, the magics and Dask's dashboard agree.

const UNITS = ['kiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** 1234 -> "1.21 kiB", 123 -> "123 B". */
export function formatBytes(nbytes: number): string {
  let size = nbytes;
  let unit = 'B';
  for (const larger of UNITS) {
    // Dask moves to the next unit at 90 % of it: 0.95 GiB rather than 972.80 MiB.
    if (size < 1024 * 0.9) {
      break;
    }
    size /= 1024;
    unit = larger;
  }
  return unit === 'B' ? `${size} B` : `${size.toFixed(2)} ${unit}`;
}
