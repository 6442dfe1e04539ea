// Shows the board in a plain page over a pretended kernel: `node tests/labextension/harness/build.mjs`, then open the page
// it names with a scene behind the `#`.
import { createRoot } from 'react-dom/client';

import type { PanelSnapshot, PanelState, PanelUpdate } from '../../../labextension/src/protocol';
import type { ConnectionStatus } from '../../../labextension/src/store/state';
import { Board } from '../../../labextension/src/view/board';
import { english } from '../../../labextension/src/view/common/useTranslate';
import {
  GB,
  aCluster,
  aLargeCluster,
  aQueueCluster,
  aSnapshot,
  aState,
  aVariable,
  atWork,
  byName
} from '../examples';
import { PretendKernel } from '../pretend';

const failing = (): PanelState => ({
  ...atWork(),
  variables: byName(
    ...Object.values(atWork().variables).slice(0, 2),
    aVariable('results', {
      typename: 'list',
      detail: '200 items',
      nbytes: 40 * 2 ** 20,
      state: 'lost',
      reason: 'lost with bob; results of a computation cannot be sent again',
      placement: { kind: 'workers', workers: ['bob'], each: true }
    }),
    aVariable('huge', {
      nbytes: 3.2 * GB,
      typename: 'DataFrame',
      detail: '90,000,000 × 5',
      held: { alice: 1 }
    })
  ),
  notices: {
    n1: {
      id: 'n1',
      level: 'error',
      message: 'Worker bob was killed (memory); results was there and nowhere else.',
      remedy:
        'Run the cell again that computed results, or keep two copies: %pin results --workers alice bob.',
      variable: 'results'
    },
    n2: {
      id: 'n2',
      level: 'warning',
      message: '<b>carol</b> is paused: 87 % of its memory is in use.',
      remedy: 'Release something that carol holds.',
      variable: ''
    }
  }
});

const scenes: Record<string, () => PanelState> = {
  work: atWork,
  queue: aQueueCluster,
  none: () => aState({ cluster: null, workers: {} }),
  starting: () =>
    aState({
      cluster: aCluster({ status: 'starting', arrived: 1, pending: 3, detail: 'starting workers' }),
      workers: byName(...Object.values(atWork().workers).slice(0, 1))
    }),
  bare: () => aState(),
  failing,
  forty: () => aLargeCluster(40, 14),
  large: () => aLargeCluster(1000, 200)
};

const [scene = 'work', theme = 'light', connection = 'connected'] = location.hash.slice(1).split(',');
document.body.dataset['jpThemeLight'] = String(theme === 'light');
const kernel = new PretendKernel((scenes[scene] ?? atWork)());
if (connection !== 'connected') {
  kernel.model.connectionChanged(
    { status: connection as ConnectionStatus, message: '', concurrent: false },
    true
  );
}
// For benchmarks: messages go in as text, as they come from a kernel.
let version = 0;
Object.assign(window, {
  kernel,
  aLargeSnapshot: (workers: number, variables: number) =>
    JSON.stringify(aSnapshot(aLargeCluster(workers, variables), ++version)),
  show: (snapshot: string) => kernel.model.receive(JSON.parse(snapshot) as PanelSnapshot),
  push: (changed: PanelUpdate['changed']) =>
    kernel.model.receive({ type: 'update', version: ++version, changed, removed: {} })
});

const notebook = {
  insertCell: (source: string) => console.warn('insert', source),
  interrupt: () => undefined,
  hasCell: () => false,
  goToCell: () => undefined,
  isAt: () => false,
  dropAt: () => undefined
};

const root = document.getElementById('board');
if (root !== null) {
  createRoot(root).render(
    <Board
      model={kernel.model}
      options={{ threshold: 0, confirmAbove: 2 * GB }}
      notebook={notebook}
      trans={english}
    />
  );
}
