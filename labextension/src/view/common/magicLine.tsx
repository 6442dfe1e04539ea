// A line for a cell, to be copied or put into the notebook.
import { type ReactElement, useState } from 'react';

import { useNotebook } from './context';
import { IconButton } from './elements';
import { CheckIcon, CopyIcon, InsertIcon } from './icons';
import { useTranslate } from './useTranslate';

/** Milliseconds for which "copied" is shown. */
const COPIED = 1500;

export function MagicLine({
  text,
  isHint = false
}: {
  text: string;
  /** It tells of a gesture that is being made: not to be taken yet. */
  isHint?: boolean;
}): ReactElement {
  const trans = useTranslate();
  const notebook = useNotebook();
  const [isCopied, setCopied] = useState(false);
  const copy = (): void => {
    void navigator.clipboard.writeText(text).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), COPIED);
    });
  };
  return (
    <div className={`jp-Moorage-magic${isHint ? ' jp-mod-hint' : ''}`}>
      <code tabIndex={0}>{text}</code>
      {isHint ? null : (
        <>
          <IconButton
            label={trans.__('Copy')}
            title={isCopied ? trans.__('Copied') : trans.__('Copy')}
            onClick={copy}
          >
            {isCopied ? <CheckIcon /> : <CopyIcon />}
          </IconButton>
          {notebook === null ? null : (
            <IconButton label={trans.__('Insert as a cell')} onClick={() => notebook.insertCell(text)}>
              <InsertIcon />
            </IconButton>
          )}
        </>
      )}
    </div>
  );
}
