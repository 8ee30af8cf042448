/**
 * What a start does with the directory: it applies the configured file, or fills an empty store with the demo;
 * and it invites the first administrator.
 */
import { join } from 'node:path';
import { defined } from '../storage/defined.ts';
import type { Started } from './embedding.ts';
import type { Foundations } from './foundations.ts';
import { packageFolder } from './package-folder.ts';

export const EMPTY_STORE =
  'The store is empty: there is no organization, so no client and no person gets a token. Write an apply file ' +
  `(${join(packageFolder('docs'), 'configuration.md')} shows one) and run: grantable apply FILE. Or start with ` +
  'GRANTABLE_APPLY=FILE.';

type WhenThere = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * @param whenThere retries while the store is away
 * @param onTerminal a person reads what is printed
 */
export async function fillDirectory(
  foundations: Foundations,
  whenThere: WhenThere,
  onTerminal = false,
): Promise<Started> {
  const { config, firstAdministrator: first } = foundations;
  const filled = await fillEmpty(foundations, whenThere);
  // In production anything that is printed may be kept, whatever it looks like.
  if (!onTerminal || config.production) return filled;
  return { ...filled, ...defined({ firstAdministrator: await whenThere(() => first.offer()) }) };
}

async function fillEmpty(foundations: Foundations, whenThere: WhenThere): Promise<Started> {
  const { config, store, apply } = foundations;
  const { content } = config.apply ?? {};
  const applied = content && (await whenThere(() => apply(content, { comparePasswords: false })));
  delete config.apply?.content;
  const { items } = await whenThere(() => store.organizations.page({ limit: 1 }));
  const isEmpty = items.length === 0 || undefined;
  if (applied || !isEmpty || !config.demo) return defined({ applied, isEmpty });
  const { connectDemo, createDemo } = await import('../admin/demo.ts');
  const { parseApplyFile } = await import('../apply/file.ts');
  const demo = createDemo();
  await demo.prepare(config.dataDir);
  await whenThere(() => apply(parseApplyFile(demo.file, 'demo')));
  const connectionToken = await whenThere(() => connectDemo(foundations));
  return { quickstart: await demo.announce(config.issuer, config.dataDir, connectionToken) };
}
