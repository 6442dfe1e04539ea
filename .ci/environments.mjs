// The Python environments of a clone: where each lies, which Python makes it, and what is installed into it.
// Not covered: making them (`.ci/setup.mjs`), running anything in them (`.ci/check.mjs`).

import process from 'node:process';

const PYTHONS = ['python3.11', 'python3.12', 'python3.13', 'python3.14'];

// In `lock` are the exact versions; `uv` is how `npm run lock` finds them. `extras` of pyproject.toml are installed, or else
// `dev`; an environment without `panel` has Python only.
const ENVIRONMENTS = {
  // what all work and CI is done with: the same versions on every machine until somebody runs `npm run lock`
  locked: {
    folder: '.venv',
    pythons: [...PYTHONS, 'python3'],
    lock: 'requirements.txt',
    uv: ['--universal']
  },
  // whatever the index has today
  newest: { folder: '.venv-newest', pythons: [...PYTHONS.toReversed(), 'python3'] },
  // the floors of pyproject.toml on the oldest Python
  oldest: {
    folder: '.venv-oldest',
    pythons: ['python3.11'],
    lock: 'requirements-oldest.txt',
    uv: ['--resolution', 'lowest-direct']
  },
  // what builds the pages of docs/
  docs: {
    folder: '.venv-docs',
    pythons: [...PYTHONS, 'python3'],
    lock: 'docs/requirements.txt',
    uv: ['--universal', '--constraint', 'requirements.txt'],
    extras: ['docs'],
    panel: false
  }
};

export const LOCKED = Object.values(ENVIRONMENTS).filter(environment => environment.lock);

// Takes `--packages NAME` out of the arguments; returns that environment, and the arguments that are left.
export function chosen(args) {
  const at = args.indexOf('--packages');
  const name = at < 0 ? 'locked' : args[at + 1];
  if (!Object.hasOwn(ENVIRONMENTS, name)) {
    console.error(`--packages: there are ${Object.keys(ENVIRONMENTS).join(', ')}, and no ${name}`);
    process.exit(2);
  }
  return {
    environment: ENVIRONMENTS[name],
    rest: at < 0 ? args : args.filter((_, i) => i !== at && i !== at + 1)
  };
}
