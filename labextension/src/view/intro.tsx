// What the panel says while there is no cluster to show. Like all of view/: props in, callbacks out, no JupyterLab.
import type { ReactElement } from 'react';

export function Intro({ text }: { text: string }): ReactElement {
  return <p className="jp-MooragePanel-intro">{text}</p>;
}
