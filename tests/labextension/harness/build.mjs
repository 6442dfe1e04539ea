// Bundles the page and writes it with the themes of the installed JupyterLab: node build.mjs OUT_FOLDER
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../../..');
const out = process.argv[2] ?? join(root, 'test-results/harness');
const themes = join(root, '.venv/share/jupyter/lab/themes/@jupyterlab');

mkdirSync(out, { recursive: true });
await build({
  entryPoints: { page: join(here, 'page.tsx'), board: join(root, 'labextension/style/board.css') },
  bundle: true,
  jsx: 'automatic',
  format: 'esm',
  outdir: out,
  define: { 'process.env.NODE_ENV': '"production"' }
});
for (const theme of ['light', 'dark', 'dark-high-contrast']) {
  cpSync(join(themes, `theme-${theme}-extension`), join(out, theme), { recursive: true });
}
writeFileSync(
  join(out, 'index.html'),
  `<!doctype html><meta charset="utf-8"><title>board</title>
<script>
  const theme = location.hash.split(',')[1] || 'light';
  document.write('<link rel="stylesheet" href="' + theme + '/index.css">');
</script>
<link rel="stylesheet" href="board.css">
<style>html,body{margin:0;height:100%;background:var(--jp-layout-color3)}
#board{height:100%;width:100%;contain:strict}</style>
<div id="board"></div><script type="module" src="page.js"></script>`
);
console.log(`${out}/index.html#work,light`);
