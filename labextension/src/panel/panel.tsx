// The side panel as JupyterLab sees it: a widget with a title and an icon that shows the view. What is shown is the
// view's business.
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { ReactElement } from 'react';

import { Intro } from '../view/intro';
import { anchorIcon } from './icon';

export class MooragePanel extends ReactWidget {
  static readonly id = 'moorage-panel';

  constructor(trans: TranslationBundle) {
    super();
    this._trans = trans;
    this.id = MooragePanel.id;
    this.addClass('jp-MooragePanel');
    this.title.icon = anchorIcon;
    this.title.caption = trans.__('Moorage: where Dask data lives');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Moorage'));
  }

  protected override render(): ReactElement {
    return (
      <Intro
        text={this._trans.__(
          'Moorage keeps Dask data where you put it: on every worker, on the workers you name, or on one worker of each host.'
        )}
      />
    );
  }

  private readonly _trans: TranslationBundle;
}
