import { examineFolder, examineStore, type Finding } from '../admin/doctor.ts';
import { loadApplyFile } from '../apply/file.ts';
import { ConfigError } from '../config/config.ts';
import { type Config, loadConfig } from '../config/load.ts';
import { toOneLine } from '../errors/texts.ts';
import { openFoundations } from '../server/foundations.ts';
import { type Command, type CommandIo, DONE, FAILED } from './command.ts';
import { toFailure } from './failure.ts';
import { readArguments, writeLines } from './input.ts';
import { findMissingStore } from './open.ts';

export const doctor: Command = {
  summary: 'Examines configuration, store, keys, clock and disk, and says what is wrong.',
  usage: ['doctor'],
  details: ['The exit code is 1 if something is wrong; warnings do not count.'],
  async run(args, io) {
    readArguments(args, {}, 0);
    let isWrong = false;
    for await (const { state, says } of examine(io)) {
      isWrong ||= state === 'wrong';
      writeLines(io.stdout, [toOneLine(`${state.padEnd(7)}  ${says}`)]);
    }
    return isWrong ? FAILED : DONE;
  },
};

async function* examine(io: CommandIo): AsyncGenerator<Finding> {
  const config = yield* examineConfiguration(io);
  if (!config) return;
  yield* await examineFolder(config);
  const missing = findMissingStore(config);
  if (missing !== undefined) {
    yield { state: 'warning', says: `There is no store at ${missing} yet; the first start makes it.` };
    return;
  }
  try {
    await using foundations = await openFoundations(config, io.now);
    yield* await examineStore(foundations);
  } catch (error) {
    yield { state: 'wrong', says: toFailure(error).lines.join(' ') };
  }
}

function* examineConfiguration(io: CommandIo): Generator<Finding, Config | undefined> {
  try {
    const config = loadConfig(io.env, { cwd: io.cwd, readApplyFile: loadApplyFile });
    yield { state: 'ok', says: `The configuration can be used; the issuer is ${config.issuer}.` };
    for (const says of config.warnings) yield { state: 'warning', says };
    return config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const says of error.lines) yield { state: 'wrong', says };
    return undefined;
  }
}
