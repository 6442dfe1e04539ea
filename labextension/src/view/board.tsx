// The whole board: cluster, variables, workers, notices, magic. It shows a model and acts on it, and knows neither JupyterLab
// nor how messages travel, so that the side panel and the widget show the same.
import { DndContext, DragOverlay, MouseSensor, TouchSensor, useSensor, useSensors } from '@dnd-kit/core';
import {
  type KeyboardEvent,
  type MouseEvent,
  type PointerEvent,
  type ReactElement,
  type ReactNode,
  useCallback,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore
} from 'react';
import { createPortal } from 'react-dom';

import type { PanelWhyArgs } from '../protocol';
import type { IPlacementModel } from '../store/actions';
import type { ICarried, Target } from '../store/gestures';
import { magicFor } from '../store/magic';
import { type IPreview, decide, preview } from '../store/preview';
import { loopsOfRows } from '../store/unplaced';
import { ClusterStrip } from './cluster/cluster';
import { Computations } from './running/computations';
import {
  CarriedContext,
  GrabsContext,
  HandContext,
  type IBoardOptions,
  type INotebook,
  NotebookProvider,
  PartsProvider,
  type PartsSource
} from './common/context';
import { type ITaken, type PartsGrabs, useTakeableArea } from './hand/draggable';
import { Empty, isEmpty } from './cluster/empty';
import { Footer, type IQuestion } from './messages/footer';
import { useHandState } from './hand/hand';
import { HeldLine, InHand, besidePointer } from './hand/inHand';
import { useAnnouncer } from './common/live';
import { Explanation } from './messages/explanation';
import { BoardMenu } from './menus/menu';
import { Notices } from './messages/notices';
import { Proposals } from './messages/proposals';
import { useHits } from './hand/hits';
import { useKeptBoxes, useStill } from './hand/still';
import { LayerContext, layerOf } from './common/tree';
import { type ITranslate, TranslateProvider } from './common/useTranslate';
import { isPartThere, isQuestionable, subjectAt } from './menus/subject';
import { useSelection } from './variables/selection';
import { type ISplit, Splitter, splitStyle, useSplit } from './common/splitter';
import { useTravel } from './hand/travel';
import { undoByKey } from './messages/undo';
import { Variables } from './variables/variableList';
import { agreeWords, questionWords, restartWords, stopWords } from './common/words';
import { type IWorkersHandle, Workers } from './workers/workerList';

export interface IBoardProps {
  model: IPlacementModel;
  options: IBoardOptions;
  /** The notebook beside the board; null where there is none. */
  notebook: INotebook | null;
  trans: ITranslate;
}

/** What is asked before it is done. */
interface IAsked {
  readonly text: string;
  readonly yes: string;
  act(): void;
}

export function Board({ model, options, notebook, trans }: IBoardProps): ReactElement {
  const state = useSyncExternalStore(model.subscribe, () => model.state);
  const [isCarrying, setCarrying] = useState(false);
  const still = useStill(state, isCarrying);
  const listed = still.variables;
  const candidates = useMemo(
    () => [...listed.candidates.values()].filter(({ nbytes }) => nbytes >= options.threshold),
    [listed.candidates, options.threshold]
  );
  const { ledger, variables } = listed;
  const inRows = useMemo(() => loopsOfRows({ ledger, variables }), [ledger, variables]);
  const root = useRef<HTMLDivElement>(null);
  const split = useSplit(root);
  const [grip, setGrip] = useState<HTMLDivElement | null>(null);
  const layer = layerOf(grip);
  const workers = useRef<IWorkersHandle>(null);
  const [selection, select] = useSelection(listed, candidates);
  const [asked, setAsked] = useState<IAsked | null>(null);
  const [live, announce] = useAnnouncer('said');
  useTravel(still.workers, root);

  const perform = useCallback(
    (carried: ICarried, target: Target, result: IPreview = preview(state, carried, target)) => {
      switch (decide(result, options.confirmAbove)) {
        case 'refuse':
          return;
        case 'ask':
          setAsked({
            text: questionWords(trans, carried, target, result),
            yes: agreeWords(trans, result),
            act: () => model.perform(result.steps)
          });
          return;
        case 'perform':
          model.perform(result.steps);
      }
    },
    [state, model, options.confirmAbove, trans]
  );
  const stop = (): void => {
    const text = stopWords(trans, state);
    if (text === null) {
      model.stop();
    } else {
      setAsked({ text, yes: trans.__('Stop'), act: () => model.stop() });
    }
  };
  const parts = useCallback<PartsSource>((name, start, count) => model.parts(name, start, count), [model]);
  const explain = useCallback((about: PanelWhyArgs) => model.explain(about), [model]);
  const restart = useCallback(
    (worker: string) =>
      setAsked({
        text: restartWords(trans, model.state, worker),
        yes: trans.__('Restart'),
        act: () => model.restart(worker)
      }),
    [model, trans]
  );
  const reveal = useCallback((target: Target) => workers.current?.reveal(target), []);
  const focusHand = useCallback(() => grip?.focus(), [grip]);
  const [grabs] = useState<PartsGrabs>(() => new Map());
  const holding = useHandState({
    state,
    shown: still.workers.hosts,
    selection,
    grabs,
    notebook,
    trans,
    announce,
    reveal,
    focusHand,
    perform
  });
  const { hand } = holding;
  useKeptBoxes(root, holding.by);
  if ((hand.carried !== null) !== isCarrying) {
    setCarrying(hand.carried !== null);
  }
  const { collisionDetection, autoScroll, target } = useHits(root);
  const modifiers = useMemo(() => [besidePointer(target)], [target]);
  const sensors = useSensors(useSensor(MouseSensor, BY_MOUSE), useSensor(TouchSensor, BY_TOUCH));

  const question: IQuestion | null =
    asked === null
      ? null
      : {
          text: asked.text,
          yes: asked.yes,
          onYes: () => {
            setAsked(null);
            asked.act();
          },
          onNo: () => setAsked(null)
        };
  const hovered = hand.over === null ? null : hand.previewAt(hand.over);
  const hint =
    hovered === null || hovered.refusal !== null
      ? null
      : hovered.steps.flatMap(({ names, placement }) => magicFor(names, placement) ?? []);

  return (
    <TranslateProvider value={trans}>
      <NotebookProvider value={notebook}>
        <HandContext.Provider value={hand}>
          <GrabsContext.Provider value={grabs}>
            <CarriedContext.Provider value={hand.carried}>
              <LayerContext.Provider value={layer}>
                <div
                  ref={root}
                  className={`jp-Moorage jp-Moorage-theme${hand.carried === null ? '' : ' jp-mod-carrying'}`}
                  data-moorage-board={state.connection.status}
                  {...holding.presses}
                  onKeyDown={event => undoByKey(event, { state, actions: model })}
                >
                  <DndContext
                    sensors={sensors}
                    collisionDetection={collisionDetection}
                    autoScroll={autoScroll}
                    accessibility={SILENT}
                    onDragStart={holding.onDragStart}
                    onDragMove={holding.onDragMove}
                    onDragEnd={holding.onDragEnd}
                    onDragCancel={holding.onDragCancel}
                  >
                    {state.connection.status === 'connected' ? (
                      <ClusterStrip state={state} actions={model} disabled={state.readOnly} onStop={stop} />
                    ) : null}
                    {isEmpty(state) ? (
                      <Empty state={state} actions={model} disabled={state.readOnly} />
                    ) : (
                      <BoardMenu
                        state={state}
                        selection={selection}
                        perform={perform}
                        explain={explain}
                        restart={restart}
                      >
                        <Body
                          split={split}
                          disabled={state.readOnly}
                          isLost={state.cluster?.status === 'lost'}
                          pickUp={holding.pickUp}
                          onPointerDownCapture={still.onPointerDownCapture}
                          explain={explain}
                          isQuestionable={about => isQuestionable(model.state, about)}
                        >
                          <PartsProvider value={parts}>
                            <Variables
                              state={listed}
                              candidates={candidates}
                              selection={selection}
                              actions={model}
                              disabled={state.readOnly}
                              onSelect={select}
                            />
                          </PartsProvider>
                          <Splitter split={split} />
                          <Workers state={still.workers} disabled={state.readOnly} handle={workers} />
                        </Body>
                      </BoardMenu>
                    )}
                    <div className="jp-Moorage-drawer">
                      <Computations
                        computations={state.computations}
                        elsewhere={inRows}
                        actions={model}
                        disabled={state.readOnly}
                        announce={announce}
                      />
                      <Notices state={state} actions={model} disabled={state.readOnly} />
                      <Proposals
                        proposals={state.proposals}
                        actions={model}
                        disabled={state.readOnly}
                        announce={announce}
                      />
                      {state.explanation === null ? null : (
                        <Explanation explanation={state.explanation} actions={model} announce={announce} />
                      )}
                      {holding.by === 'hold' && hand.carried !== null ? (
                        <HeldLine state={state} carried={hand.carried} onPutBack={holding.putBack} />
                      ) : null}
                      {isEmpty(state) ? null : (
                        <Footer state={state} actions={model} question={question} hint={hint} />
                      )}
                    </div>
                    {createPortal(
                      <DragOverlay
                        className="jp-Moorage-theme jp-Moorage-overlay"
                        modifiers={modifiers}
                        dropAnimation={null}
                        zIndex={10000}
                      >
                        {holding.by === 'drag' && hand.carried !== null ? (
                          <InHand
                            state={state}
                            carried={hand.carried}
                            result={isCard(hand.over) ? hovered : null}
                            isOutside={holding.isOutside}
                          />
                        ) : null}
                      </DragOverlay>,
                      layer
                    )}
                  </DndContext>
                  <div
                    ref={setGrip}
                    className="jp-Moorage-hidden"
                    tabIndex={-1}
                    role="application"
                    aria-label={trans.__('Where should it go?')}
                    onKeyDown={holding.onKeyDown}
                    onBlur={holding.onBlur}
                  />
                  {live}
                </div>
              </LayerContext.Provider>
            </CarriedContext.Provider>
          </GrabsContext.Provider>
        </HandContext.Provider>
      </NotebookProvider>
    </TranslateProvider>
  );
}

// The two lists, out of which variables are taken up, and of whose entries one can ask why they are as they are: with "?", or
// by a click on what is not as it should be.
function Body(props: {
  split: ISplit;
  disabled: boolean;
  /** Nobody knows whether what is shown still holds. */
  isLost: boolean;
  pickUp(taken: ITaken, source: HTMLElement): void;
  onPointerDownCapture(event: PointerEvent): void;
  explain(about: PanelWhyArgs): void;
  isQuestionable(about: PanelWhyArgs): boolean;
  children: ReactNode;
}): ReactElement {
  const { split } = props;
  const { ref, props: takeable } = useTakeableArea(props.disabled, props.pickUp);
  const onKeyDown = (event: KeyboardEvent<HTMLElement>): void => {
    const about = event.key === '?' ? subjectAt(event.target as Element) : null;
    if (about === null) {
      takeable.onKeyDown(event);
    } else {
      event.preventDefault();
      event.stopPropagation();
      props.explain(about);
    }
  };
  const onClick = (event: MouseEvent): void => {
    const element = event.target as Element;
    const isPlain = !event.shiftKey && !event.ctrlKey && !event.metaKey && element.closest('button') === null;
    const about = isPlain && !isPartThere(element) ? subjectAt(element) : null;
    if (about !== null && props.isQuestionable(about)) {
      props.explain(about);
    }
  };
  return (
    <div
      ref={ref}
      className={`jp-Moorage-body${props.isLost ? ' jp-mod-lost' : ''}${split.part === null ? '' : ' jp-mod-split'}`}
      style={splitStyle(split)}
      {...takeable}
      onPointerDownCapture={props.onPointerDownCapture}
      onKeyDown={onKeyDown}
      onClick={onClick}
    >
      {props.children}
    </div>
  );
}

// Tiles say themselves what a drop there would do.
function isCard(target: Target | null): boolean {
  return target?.kind === 'worker' || target?.kind === 'host';
}

// Constants, because dnd-kit renders all that can be dragged anew when they change.
const BY_MOUSE = { activationConstraint: { distance: 4 } };
const BY_TOUCH = { activationConstraint: { delay: 250, tolerance: 8 } };

// dnd-kit's own announcements name ids; ours are in live.tsx.
const SILENT = {
  screenReaderInstructions: { draggable: '' },
  announcements: {
    onDragStart: () => undefined,
    onDragOver: () => undefined,
    onDragEnd: () => undefined,
    onDragCancel: () => undefined
  }
};
