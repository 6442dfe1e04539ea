// Requests and their answers: ids, time limits, and an end for each of them. How they travel is the caller's `send`.
import type { PanelError, PanelOps, PanelReply, PanelRequest } from '../protocol';
import { type IRequester, RequestError } from '../store/model';

/** Milliseconds that the kernel has for an answer; it records what is asked and does not wait for what follows. */
export const ANSWER_TIMEOUT = 20_000;

interface IWaiting {
  resolve(result: Record<string, unknown>): void;
  reject(error: RequestError): void;
  timer: ReturnType<typeof setTimeout>;
}

export class Requests implements IRequester {
  /**
   * @param send - takes a request on its way; throws when it cannot.
   * @param timedOut - the error of a request that was not answered in time.
   */
  constructor(
    private readonly _send: (request: PanelRequest) => void,
    private readonly _timedOut: () => PanelError
  ) {}

  request<Op extends keyof PanelOps>(op: Op, args: PanelOps[Op]): Promise<Record<string, unknown>> {
    const id = this._nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this._waiting.delete(id);
        reject(new RequestError(this._timedOut()));
      }, ANSWER_TIMEOUT);
      this._waiting.set(id, { resolve, reject, timer });
      try {
        this._send({ id, op, args });
      } catch (reason) {
        this.settle({
          type: 'reply',
          id,
          ok: false,
          error: { kind: 'UnreachableError', message: String(reason), remedy: '' }
        });
      }
    });
  }

  /** Take in an answer. One that nobody waits for any more is ignored. */
  settle(reply: PanelReply): void {
    const waiting = this._waiting.get(reply.id);
    if (waiting === undefined) {
      return;
    }
    this._waiting.delete(reply.id);
    clearTimeout(waiting.timer);
    if (reply.ok) {
      waiting.resolve(reply.result ?? {});
    } else {
      waiting.reject(
        new RequestError(reply.error ?? { kind: 'InternalError', message: 'no reason given', remedy: '' })
      );
    }
  }

  /** End all that wait, because no answer will come. */
  failAll(error: PanelError): void {
    for (const id of [...this._waiting.keys()]) {
      this.settle({ type: 'reply', id, ok: false, error });
    }
  }

  private _nextId = 1;
  private readonly _waiting = new Map<number, IWaiting>();
}
