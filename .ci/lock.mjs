// Writes the exact versions of the Python packages that `npm run setup` and `npm run test:oldest` install: the newest
// ones that fit together on each Python from 3.11 on (with markers where Pythons differ), and the floors of
// pyproject.toml with the newest of what those need in turn. Commit what it changes when `npm test` passes with it.
// Not covered: npm's packages, which package-lock.json locks.

import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { LOCKED } from './environments.mjs';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));

for (const { lock, uv, extras = ['demo', 'hpc', 'dev'] } of LOCKED) {
  const options = [
    ...extras.flatMap(extra => ['--extra', extra]),
    '--upgrade',
    '--python-version',
    '3.11',
    '--no-annotate',
    '--quiet'
  ];
  const { status } = spawnSync(
    '.venv/bin/uv',
    [
      'pip',
      'compile',
      'pyproject.toml',
      ...options,
      ...uv,
      '--custom-compile-command',
      'npm run lock',
      '--output-file',
      lock
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] }
  );
  if (status !== 0) {
    process.exit(1);
  }
}
