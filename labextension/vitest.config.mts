// Tests of the panel's own logic and, in jsdom, of its React views. A real JupyterLab in a real browser is driven from
// pytest (tests/panel), not from here.
import { defineConfig } from 'vitest/config';

const STORE = 'tests/labextension/store';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    testTimeout: 30_000,
    restoreMocks: true,
    projects: [
      {
        extends: true,
        test: {
          name: 'store', // which is pure: one process, without a document
          include: [`${STORE}/**/*.spec.ts`],
          environment: 'node',
          isolate: false,
          benchmark: { include: [`${STORE}/**/*.bench.ts`] }
        }
      },
      {
        extends: true,
        test: {
          name: 'panel',
          include: ['tests/labextension/**/*.spec.{ts,tsx}'],
          exclude: [`${STORE}/**`],
          environment: 'jsdom',
          setupFiles: ['tests/labextension/patience.ts'],
          benchmark: { include: [] }
        }
      }
    ]
  }
});
