/** Operations on the store of this machine, for the operator at the shell. */
import type { OperationDeps } from '../../admin/operations/deps.ts';
import type { Answer, Call, Operation } from '../../admin/operations/operation.ts';
import { reserve } from '../../admin/operations/reserved.ts';
import { operatorActor } from '../../admin/rights/actor.ts';
import { describe, toFieldProblems } from '../../apply/problems.ts';
import type { Author } from '../../changes/author.ts';
import { FieldsRefused } from '../../errors/domain.ts';
import { quote } from '../../errors/texts.ts';
import { MANAGEMENT } from '../../nouns/built-in.ts';
import type { Organization } from '../../nouns/index.ts';
import { Conflict } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import { CommandFailed, UsageError } from '../command.ts';
import type { OperationRequest, Transport } from './transport.ts';

/** @throws UsageError */
function readQuery({ query: schema }: Operation, query: Readonly<Record<string, string>> = {}): unknown {
  const read = schema?.safeParse(query);
  if (!read || read.success) return read?.data;
  const [issue] = read.error.issues;
  const name = issue?.path[0];
  if (!issue || name === undefined) throw new UsageError(`The options ${issue?.message ?? 'are not valid'}`);
  throw new UsageError(`--${String(name)} ${describe(issue, query[String(name)])}`);
}

/** @throws FieldsRefused */
function readBody({ body: schema }: Operation, body: unknown): unknown {
  if (!schema) return undefined;
  const read = schema.safeParse(body);
  if (read.success) return read.data;
  throw new FieldsRefused(read.error.issues.flatMap((issue) => toFieldProblems(issue, body, schema)));
}

/** @param close what the operations work with */
export function createStoreTransport(
  deps: OperationDeps,
  author: Author,
  close: () => Promise<unknown>,
): Transport {
  const actor = operatorActor({ ...author, managedBy: 'api' });

  /** @throws CommandFailed */
  async function findOrganization({ path }: Operation, name: string | undefined): Promise<Organization> {
    const wanted = path.includes('{organization}') ? (name ?? '') : MANAGEMENT.name;
    const found = await deps.store.organizations.findBy('name', wanted);
    if (!found) throw new CommandFailed(`There is no organization ${quote(wanted)}.`);
    return found;
  }

  async function run(operation: Operation, request: OperationRequest): Promise<Answer> {
    const { parameters = {}, query, body, version, dryRun = false } = request;
    const call = {
      actor,
      organization: await findOrganization(operation, parameters.organization),
      parameters,
      query: readQuery(operation, query),
      body: readBody(operation, body),
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
    async call(operation, request) {
      const { body, wouldDo, version } = await run(operation, request);
      return { body: wouldDo ?? body, ...defined({ version }) };
    },
    async *lines(operation, media, request) {
      const { lines } = await run(operation, request);
      if (lines) yield* lines(media);
    },
    async [Symbol.asyncDispose]() {
      await close();
    },
  };
}
