/** What the package offers to programs that embed the server. */
import type { Config } from './config/load.ts';
import type { EmbeddedServer, EmbeddingOptions } from './server/embedding.ts';
import * as server from './server.ts';

export { loadApplyFile } from './apply/file.ts';
export { type Config, ConfigError, loadConfig } from './config/load.ts';
export {
  type System,
  SystemRequestRefused,
  type SystemToken,
  type SystemTokenRequest,
} from './faces/embedded.ts';
export type { EmbeddedServer, EmbeddingOptions } from './server/embedding.ts';

/**
 * Takes the address, opens the store, fills an empty one, and serves. Waits for a database that is away.
 * @param config from `loadConfig` with `readApplyFile: loadApplyFile`
 * @throws Error with a sentence for the operator; the server has not started
 */
export const createServer: (config: Config, options?: EmbeddingOptions) => Promise<EmbeddedServer> =
  server.createServer;
