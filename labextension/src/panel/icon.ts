// moorage's anchor, in the colour of whatever theme is on.
import { LabIcon } from '@jupyterlab/ui-components';

import anchor from '../../style/icons/anchor.svg';

export const anchorIcon = new LabIcon({ name: 'moorage:anchor', svgstr: anchor });
