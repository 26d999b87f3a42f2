/** The page's state, and the one loop that turns it into snapshots. */

import { kindOf, routerOf, type RouterChoice } from "../routers";
import { Comparison, type Compared } from "./comparison";
import { Engine } from "./engine";
import { exists, litBy, same, type Focus } from "./focus";
import { EngineUnavailable, words } from "./opened";
import type { Snapshot } from "./pass";
import { read } from "./read";
import { fit, MOST_COMPARED, type Settings } from "./settings";

/** A moment of the balance, for the curve. */
export interface Point {
  step: number;
  /** `null` where the router has no such loss. */
  balance: number | null;
  peak: number;
}

/** What the loop is asked for; what piles up while it runs is one job. */
interface Job {
  reset: boolean;
  steps: number;
}

/** Routers that a comparison opens with: one of each way to choose. */
const FIRST_COMPARED: readonly RouterChoice["kind"][] = ["topK", "expertChoice", "sinkhorn", "hash"];

/** Changes closer together than this are one. */
const SETTLE_MS = 60;
/** Between two steps while playing, so that one can follow. */
const PLAY_MS = 90;
const PLAY_CALMLY_MS = 500;

export class Page {
  settings = $state() as Settings;
  /** The last good result. */
  snapshot = $state.raw<Snapshot | null>(null);
  /** Why the present settings have no result. */
  problem = $state<string | null>(null);
  /** Why there can be no result at all. */
  failure = $state<string | null>(null);
  /** Something that happened to the visitor's layer without being asked. */
  notice = $state<string | null>(null);
  playing = $state(false);
  points = $state.raw<readonly Point[]>([]);
  /** The routers side by side; none while the comparison is closed. */
  compared = $state.raw<readonly Compared[]>([]);
  pinned = $state.raw<Focus | null>(null);
  hovered = $state.raw<Focus | null>(null);

  readonly fitted = $derived.by(() => fit(this.settings));
  readonly router = $derived.by(() => kindOf(this.settings.router.kind));
  readonly reading = $derived.by(() => this.snapshot && read(this.snapshot));
  /** What is pointed at: under the pointer, else what was clicked. */
  readonly focus = $derived.by(() => {
    const focus = this.hovered ?? this.pinned;
    return focus && this.reading && exists(focus, this.reading) ? focus : null;
  });
  readonly lit = $derived.by(() => this.reading && litBy(this.focus, this.reading));

  readonly #engine = new Engine((message) => {
    this.notice = `The device was lost (${message}). The layer was made again from its seed.`;
    this.refresh();
  });
  readonly #comparison = new Comparison(this.#engine);
  #lastCompared: readonly RouterChoice[] = [];
  #job: Job | null = null;
  #running = false;
  #settling: ReturnType<typeof setTimeout> | undefined;
  #playingOn: ReturnType<typeof setTimeout> | undefined;

  constructor(settings: Settings) {
    this.settings = settings;
  }

  /** Shows the settings soon; the latest ones win. */
  refresh(): void {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#want({ reset: false, steps: 0 }), SETTLE_MS);
  }

  step(): void {
    if (this.router.still !== undefined) return;
    this.#want({ reset: false, steps: 1 });
  }

  reset(): void {
    this.playing = false;
    this.#want({ reset: true, steps: 0 });
  }

  toggle(): void {
    this.playing = !this.playing && this.router.still === undefined;
    if (this.playing) this.step();
  }

  /** Puts routers side by side: those of the last time, or the one on show and others that choose otherwise. */
  openComparison(): void {
    const own = $state.snapshot(this.settings.router);
    const others = FIRST_COMPARED.filter((kind) => kind !== own.kind).map((kind) => routerOf(kind));
    this.settings.compare = this.#lastCompared.length > 0 ? this.#lastCompared : [own, ...others].slice(0, MOST_COMPARED);
  }

  closeComparison(): void {
    this.#lastCompared = $state.snapshot(this.settings.compare);
    this.settings.compare = [];
  }

  /** Keeps something lit, or lets it go. */
  pin(focus: Focus): void {
    this.pinned = same(this.pinned, focus) ? null : focus;
  }

  /** Lights something for as long as the pointer is on it. */
  hover(focus: Focus | null): void {
    this.hovered = focus;
  }

  #want({ reset, steps }: Job): void {
    const waiting = reset ? null : this.#job;
    this.#job = { reset: reset || (waiting?.reset ?? false), steps: Math.max(steps, waiting?.steps ?? 0) };
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let job = this.#take(); job; job = this.#take()) {
      try {
        if (job.reset) this.#engine.reset();
        const settings = $state.snapshot(this.settings);
        this.#accept(job.steps > 0 ? await this.#engine.train(settings) : await this.#engine.show(settings));
        await this.#compare(settings);
      } catch (error) {
        this.playing = false;
        if (error instanceof EngineUnavailable) this.failure = words(error);
        else this.problem = words(error);
      }
      this.#playOn();
    }
    this.#running = false;
  }

  async #compare(settings: Settings): Promise<void> {
    if (settings.compare.length === 0) {
      this.#comparison.close();
      this.compared = [];
      return;
    }
    this.compared = await this.#comparison.run(settings);
    // While playing there is no rest to measure in.
    if (this.playing) return;
    const timed = await this.#comparison.time(this.compared, () => this.#job !== null);
    if (timed) this.compared = timed;
  }

  #playOn(): void {
    if (!this.playing) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    clearTimeout(this.#playingOn);
    this.#playingOn = setTimeout(() => this.playing && this.step(), calm ? PLAY_CALMLY_MS : PLAY_MS);
  }

  #take(): Job | null {
    const job = this.#job;
    this.#job = null;
    return job;
  }

  #accept(snapshot: Snapshot): void {
    this.snapshot = snapshot;
    this.problem = null;
    this.failure = null;
    const point = { step: snapshot.step, balance: snapshot.output.losses["loadBalance"] ?? null, peak: read(snapshot).peak };
    // A pass at a step that is on the curve already replaces its point.
    this.points = [...this.points.filter(({ step }) => step < point.step), point];
  }
}
