import { describe, expect, it } from 'vitest';

import type { PanelState } from '../../../labextension/src/protocol';
import { type IBoardState, INITIAL, apply } from '../../../labextension/src/store/state';
import { summary } from '../../../labextension/src/view/common/summary';
import { english } from '../../../labextension/src/view/common/useTranslate';
import { aCluster, aSnapshot, aState, atWork } from '../examples';

const board = (state: PanelState): IBoardState => ({
  ...apply(INITIAL, aSnapshot(state)),
  connection: { status: 'connected', message: '', concurrent: true }
});

describe('a board in a few words', () => {
  it('is nothing without a cluster, or without a connection', () => {
    expect(summary(english, INITIAL)).toBeNull();
    expect(summary(english, board(aState({ cluster: null })))).toBeNull();
    expect(summary(english, board(aState({ cluster: aCluster({ status: 'stopped' }) })))).toBeNull();
  });

  it('is the number of workers where all is well', () => {
    expect(summary(english, board(aState()))).toEqual({ text: '4 workers', details: 'local', troubles: 0 });
  });

  it('counts what moves and what is wrong, and names it', () => {
    const said = summary(english, board(atWork()));
    expect(said?.text).toBe('4 workers · 1 moving');
    expect(said?.troubles).toBe(2);
    expect(said?.details.split('\n')).toEqual([
      'local',
      'moving: grid',
      'lookup: erin is not here yet; kept on bob until then',
      'carol is paused'
    ]);
  });

  it('counts tasks, workers that are to come, notices and a lost connection', () => {
    const said = summary(
      english,
      board(
        aState({
          cluster: aCluster({ pending: 2, requested: 6, status: 'lost', detail: 'no answer' }),
          ledger: {
            t: {
              name: 'train',
              kind: 'task',
              owner: '',
              nkeys: 12,
              nbytes: 0,
              spilled: 0,
              nworkers: 2,
              most_on: []
            }
          },
          notices: {
            a: { id: 'a', level: 'error', message: 'It failed.', remedy: '', variable: '' },
            b: { id: 'b', level: 'info', message: 'Just so.', remedy: '', variable: '' }
          }
        })
      )
    );
    expect(said?.text).toBe('4 of 6 workers · 12 tasks');
    expect(said?.details).toBe('local\nIt failed.\nno answer');
    expect(said?.troubles).toBe(2);
  });
});
