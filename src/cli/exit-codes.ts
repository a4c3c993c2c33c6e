/** The exit codes of commands. Scripts rely on them, and each command's manual lists its own. */
export const ExitCode = {
  ok: 0,
  /** Wrong usage, and every failure that has no number of its own. */
  error: 1,
  notFound: 2,
  notEnoughReplicas: 3,
  overloaded: 4,
  unreachable: 5,
  damaged: 6,
  output: 7,
  conditionFailed: 8,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

const MEANINGS: Readonly<Record<ExitCode, string>> = {
  [ExitCode.ok]: 'done',
  [ExitCode.error]: 'wrong usage, or a request that can never succeed as it stands',
  [ExitCode.notFound]: 'the key does not exist',
  [ExitCode.notEnoughReplicas]: 'fewer replicas answered in time than `ack` asks for',
  [ExitCode.overloaded]:
    'the node takes no such request at the moment (overload, a full disk, a stop): try again',
  [ExitCode.damaged]: 'damage was found: the output names each place',
  [ExitCode.conditionFailed]:
    'the value is not one that --if-match or --if-none-match allows: nothing was done',
  [ExitCode.output]: 'stdout or a file could not be written: a full disk, for example',
  [ExitCode.unreachable]: 'no answer, or one that broke off: a put or delete may be done or not',
};

/** The paragraph of a command's manual that lists its exit codes. */
export function exitCodesManual(codes: readonly ExitCode[]): string {
  const meanings = codes.map((code) => `  ${code}  ${MEANINGS[code]}`);
  return ['Exit codes:', ...meanings, '  130, 143 and the like: ended by Ctrl-C, SIGTERM, …'].join('\n');
}

/** An error that names the exit code of the process. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: ExitCode;
  /** The message without what it advises. */
  readonly reason: string;

  /** @param advice what to do, for the end of the message */
  constructor(exitCode: ExitCode, reason: string, advice?: string) {
    super(advice === undefined ? reason : `${reason}: ${advice}`);
    this.exitCode = exitCode;
    this.reason = reason;
  }
}

export function exitCodeOfStatus(status: number): ExitCode {
  switch (status) {
    case 304:
    case 412:
      return ExitCode.conditionFailed;
    case 404:
      return ExitCode.notFound;
    case 503:
      return ExitCode.overloaded;
    case 504:
      return ExitCode.notEnoughReplicas;
    default:
      return status >= 200 && status < 300 ? ExitCode.ok : ExitCode.error;
  }
}
