import { describe, expect, it } from 'vitest';

import { shortName } from '../../../labextension/src/store/names';

describe('names of workers', () => {
  it.each([
    ['tls://10.0.0.5:45123', '10.0.0.5:45123'],
    ['3f8a9b2c4d5e6f708a9b0c1d2e3f4a5b', '3f8a9b2'],
    ['dask-gateway-3f8a9b2c-4d5e-6f70-8a9b-0c1d2e3f4a5b', 'dask-gateway-3f8a9b2'],
    ['ships-default-worker-a8b7c6d5e4', 'ships-default-worker-a8b7c6d']
  ])('that machines make are shortened: %s', (name, short) => {
    expect(shortName(name)).toBe(short);
  });

  it.each([
    'alice',
    'SGECluster-0-12',
    'node1-a',
    'deadbeef',
    '20261128000000',
    'effaced-worker-0',
    '0',
    'tcp://'
  ])('that people give stay: %s', name => {
    expect(shortName(name)).toBe(name);
  });
});
