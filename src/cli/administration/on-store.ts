/** Operations on the store of this machine, for the operator at the shell. */
import { requireValid } from '../../admin/api/body.ts';
import type { OperationDeps } from '../../admin/operations/deps.ts';
import type { Answer, Call, Operation } from '../../admin/operations/operation.ts';
import { reserve } from '../../admin/operations/reserved.ts';
import { operatorActor } from '../../admin/rights/actor.ts';
import { describe } from '../../apply/problems.ts';
import type { Author } from '../../changes/author.ts';
import { quote } from '../../errors/texts.ts';
import { MANAGEMENT } from '../../nouns/built-in.ts';
import type { Organization } from '../../nouns/index.ts';
import { Conflict } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import { CommandFailed, UsageError } from '../command.ts';
import { type Administration, type OperationRequest, requireOperation } from './administration.ts';

/** @throws UsageError */
function readQuery({ query: schema }: Operation, query: Readonly<Record<string, string>> = {}): unknown {
  const read = schema?.safeParse(query);
  if (!read || read.success) return read?.data;
  const [issue] = read.error.issues;
  const name = issue?.path[0];
  if (!issue || name === undefined) throw new UsageError(`The options ${issue?.message ?? 'are not valid'}`);
  throw new UsageError(`--${String(name)} ${describe(issue, query[String(name)])}`);
}

/** @param close what the operations work with */
export function administerStore(
  deps: OperationDeps,
  author: Author,
  close: () => Promise<void>,
): Administration {
  const actor = operatorActor({ ...author, managedBy: 'api' });

  /** @throws CommandFailed */
  async function findOrganization({ path }: Operation, name: string | undefined): Promise<Organization> {
    const wanted = path.includes('{organization}') ? (name ?? '') : MANAGEMENT.name;
    const found = await deps.store.organizations.findBy('name', wanted);
    if (!found) throw new CommandFailed(`There is no organization ${quote(wanted)}.`);
    return found;
  }

  async function run(id: string, request: OperationRequest = {}): Promise<Answer> {
    const operation = requireOperation(id);
    const { parameters = {}, query, body, version, dryRun = false } = request;
    const call = {
      actor,
      organization: await findOrganization(operation, parameters.organization),
      parameters,
      query: readQuery(operation, query),
      body: operation.body && requireValid(operation.body, body),
      version,
      dryRun,
      reserved: reserve(),
    };
    try {
      return await operation.run(call as Call<string, never, never>, deps);
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
      throw new CommandFailed(`Another object has this ${error.key} already.`, { cause: error });
    }
  }

  return {
    async call(id, request) {
      const { body, wouldDo, version } = await run(id, request);
      return { body: wouldDo ?? body, ...defined({ version }) };
    },
    async *lines(id, media, request) {
      const { lines } = await run(id, request);
      if (lines) yield* lines(media);
    },
    [Symbol.asyncDispose]: close,
  };
}
