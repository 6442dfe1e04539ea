// Where it is said that JupyterLab is too old.
import { expect, it } from 'vitest';

import { isTooOld } from '../../labextension/src/panel/labVersion';

it.each([
  ['JupyterLab', '3.6.0', true],
  ['JupyterLab', '4.5.9', true],
  ['JupyterLab', '4.6.0', false],
  ['JupyterLab', '4.10.1', false],
  ['JupyterLab', '5.0.0a1', false],
  ['Jupyter Notebook', '7.0.0', false]
])('%s %s: %s', (name, version, isOld) => {
  expect(isTooOld(name, version)).toBe(isOld);
});
