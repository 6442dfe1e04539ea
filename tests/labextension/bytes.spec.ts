import { describe, expect, it } from 'vitest';

import { formatBytes } from '../../labextension/src/view/bytes';

describe('formatBytes', () => {
  // What dask.utils.format_bytes (2026.8) prints for the same numbers.
  it.each([
    [0, '0 B'],
    [1, '1 B'],
    [921, '921 B'],
    [922, '0.90 kiB'],
    [1234, '1.21 kiB'],
    [12345678, '11.77 MiB'],
    [1234567890, '1.15 GiB'],
    [1234567890000, '1.12 TiB'],
    [1234567890000000, '1.10 PiB']
  ])('says %i as Dask does', (nbytes, said) => {
    expect(formatBytes(nbytes)).toBe(said);
  });

  it('stays with the largest unit it has', () => {
    expect(formatBytes(5000 * 2 ** 50)).toBe('5000.00 PiB');
  });
});
