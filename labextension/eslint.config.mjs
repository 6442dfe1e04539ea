// Lint rules of the TypeScript: typescript-eslint (strict, with types), React hooks, JupyterLab's own plugin, and who may
// import what. Formatting is prettier's.
import { fileURLToPath } from 'node:url';

import js from '@eslint/js';
import jupyter from '@jupyter/eslint-plugin';
import prettier from 'eslint-config-prettier';
import reactHooks from 'eslint-plugin-react-hooks';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const jupyterlab = { group: ['@jupyterlab/*', '@jupyter/*', '@lumino/*'] };
const folders = names => ({ group: names.map(name => `**/${name}/**`) });

// A folder of src/ and what it must not import. index.ts is the one place that sees everything.
const layers = [
  {
    folder: 'view',
    because: 'view/ is shared with the widget: props in, callbacks out, nothing of JupyterLab.',
    not: [jupyterlab, folders(['transport', 'panel']), { group: ['**/tokens', '**/commands'] }]
  },
  {
    folder: 'store',
    because: 'store/ is pure: it imports only the protocol.',
    not: [
      jupyterlab,
      folders(['transport', 'panel', 'view']),
      { group: ['react', 'react-dom', '**/tokens', '**/commands'] }
    ]
  },
  {
    folder: 'transport',
    because: 'transport/ carries messages: it knows the protocol and the kernel, not what is shown.',
    not: [folders(['panel', 'view']), { group: ['react', 'react-dom', '**/commands'] }]
  },
  {
    folder: 'panel',
    because: 'panel/ gets its model through tokens; index.ts does the wiring.',
    not: [folders(['transport']), { group: ['**/index'] }]
  }
];

export default defineConfig(
  {
    files: ['**/*.{ts,tsx}'],
    extends: [
      js.configs.recommended,
      tseslint.configs.strictTypeChecked,
      reactHooks.configs.flat.recommended,
      prettier
    ],
    languageOptions: {
      parserOptions: {
        project: 'tests/labextension/tsconfig.json',
        tsconfigRootDir: fileURLToPath(new URL('..', import.meta.url))
      }
    },
    rules: {
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-namespace': 'off', // `namespace CommandIDs` is how JupyterLab writes it
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true }
      ],
      '@typescript-eslint/unbound-method': 'off', // `signal.connect(this._onX, this)`, which Lumino binds by itself
      eqeqeq: 'error',
      'no-console': ['error', { allow: ['warn', 'error'] }]
    }
  },
  { plugins: { jupyter } },
  ...jupyter.configs.recommended,
  ...layers.map(({ folder, because, not }) => ({
    files: [`labextension/src/${folder}/**`],
    rules: {
      'no-restricted-imports': ['error', { patterns: not.map(pattern => ({ ...pattern, message: because })) }]
    }
  })),
  { ignores: ['labextension/lib/**', 'labextension/src/protocol.ts', '**/*.{js,mjs}'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } }
);
