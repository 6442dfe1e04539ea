// Tests of the panel's own logic and of its React views, in jsdom. A real JupyterLab in a real browser is driven from
// pytest (tests/panel), not from here.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['tests/labextension/**/*.spec.{ts,tsx}'],
    environment: 'jsdom',
    setupFiles: ['tests/labextension/patience.ts'],
    testTimeout: 30_000,
    restoreMocks: true,
    benchmark: { include: ['tests/labextension/**/*.bench.ts'] }
  }
});
