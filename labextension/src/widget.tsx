// The board in the output of a cell, as an anywidget: the same view as the panel's, for VS Code, Colab, consoles and
// whatever else shows widgets. Bundled with its own React into one file.
import { createRoot } from 'react-dom/client';

import { PlacementModel } from './store/model';
import { type ITranslate, askForTranslation } from './translate';
import { type IWidgetModel, WidgetChannel } from './transport/widget';
import { Board } from './view/board';

const MIB = 2 ** 20;
const OPTIONS = { threshold: MIB, confirmAbove: 2048 * MIB };

/** Called once for each widget; its views share one board. */
export default (): {
  initialize(context: { model: IWidgetModel }): () => void;
  render(context: { el: HTMLElement }): () => void;
} => {
  const board = new PlacementModel({ request: (op, args) => requests().request(op, args) });
  const trans = askForTranslation();
  let channel: WidgetChannel | null = null;
  const requests = (): WidgetChannel => {
    if (channel === null) {
      throw new Error('The widget has not been initialized.');
    }
    return channel;
  };
  return {
    initialize({ model }) {
      channel = new WidgetChannel(model, trans, message => board.receive(message));
      void connect(board, trans);
      return () => channel?.dispose();
    },
    render({ el }) {
      el.classList.add('jp-Moorage-widget');
      // JupyterLab would take the arrow keys and Enter as commands to the notebook.
      el.dataset['lmSuppressShortcuts'] = 'true';
      const root = createRoot(el);
      root.render(<Board model={board} options={OPTIONS} notebook={null} trans={trans} />);
      return () => root.unmount();
    }
  };
};

async function connect(board: PlacementModel, trans: ITranslate): Promise<void> {
  board.connectionChanged({ status: 'connecting', message: '', concurrent: true }, true);
  board.listCandidates(OPTIONS.threshold);
  await board.resync();
  const isKnown = board.state.version !== null;
  board.connectionChanged({
    status: isKnown ? 'connected' : 'absent',
    message: isKnown ? '' : trans.__('The kernel has not answered. Run this cell again.'),
    concurrent: true
  });
}
