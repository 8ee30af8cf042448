/** The client: a method for each row of the table, under the names of its id. */
import type { OperationFacts } from '../admin/operations/operation.ts';
import type { Admin, AdminOptions, AdminOver, CallOptions, Declared } from './contract.ts';
import { type Arguments, type Table, toRequest } from './requests.ts';
import { createSend } from './send.ts';
import { TABLE } from './table.ts';

interface Page {
  readonly items: readonly unknown[];
  readonly next?: string;
}

type Call = (given?: Arguments, options?: CallOptions) => unknown;
type Node = { [name: string]: Node | Call };

/** `users.list` becomes a member `list` of a member `users`; one with members below it is a function with members. */
function hang(root: Node, id: string, call: Call): void {
  const names = id.split('.');
  const last = names.pop() as string;
  let node = root;
  for (const name of names) {
    node[name] ??= {};
    node = node[name] as Node;
  }
  node[last] = Object.assign(call, node[last]);
}

/** @internal */
export function createAdminOver<F extends OperationFacts>(table: Table, options: AdminOptions): AdminOver<F> {
  const send = createSend(options);

  async function call(id: string, given: Arguments = {}, calling: CallOptions = {}): Promise<unknown> {
    const row = Object.hasOwn(table, id) ? table[id] : undefined;
    if (!row) throw new TypeError(`${JSON.stringify(id)} is not an operation of the administration API.`);
    return send(toRequest(id, row, given, calling), calling.signal);
  }

  async function* each(id: string, given: Arguments = {}, calling: CallOptions = {}) {
    let query = given.query;
    for (;;) {
      const { items, next } = (await call(id, { ...given, ...(query && { query }) }, calling)) as Page;
      yield* items;
      if (next === undefined) return;
      query = { ...query, after: next };
    }
  }

  const root: Node = {};
  for (const id of Object.keys(table)) {
    hang(root, id, (given, calling) => call(id, given, calling));
    if (/(?:^|\.)list$/.test(id)) {
      hang(root, id.replace(/list$/, 'each'), (given, calling) => each(id, given, calling));
    }
  }
  return { ...root, call } as unknown as AdminOver<F>;
}

/**
 * Administers a server with a token.
 * @throws TypeError for an issuer that is not a URL, or not https
 */
export function createAdmin(options: AdminOptions): Admin {
  return createAdminOver<Declared>(TABLE, options);
}
