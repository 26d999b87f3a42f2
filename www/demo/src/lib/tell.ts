/** The page's sentences about a snapshot: seen under the figures, heard by screen readers. */

import type { Compares } from "../routers/kind";
import { network, parts } from "./bytes";
import type { Place } from "./opened";
import type { Snapshot } from "./pass";
import type { Focus } from "./focus";
import { bytes, counted, decimal, exactBytes, percent, sentence } from "./format";
import { mixturesOf, type Reading } from "./read";

/** Which engine runs, and why. */
export function tellPlace({ device, adapter, reason }: Place, asked: Snapshot["settings"]["engine"]): string {
  if (device === "webgpu") return `This layer runs on WebGPU (${adapter}).`;
  if (reason !== undefined) {
    return `This layer runs on the CPU engine, because there is no WebGPU for it: ${sentence(reason)} The results are the same, only slower.`;
  }
  const why = asked === "auto" ? "which is the faster one on this machine" : "as you asked";
  return `This layer runs on the CPU engine, ${why} (${adapter}). The results are the same as on a GPU.`;
}

/** What a score is compared with. */
export const COMPARES: Record<Compares, string> = {
  column: "Each token compares its own scores: down its column.",
  row: "Each expert compares the tokens of a group: along its row.",
  columnThenRow: "First each token compares its scores, down its column; then each expert the tokens that named it, along its row.",
  whole: "All scores of a group are weighed together: over the whole matrix.",
  nothing: "No score is compared with another.",
};

export function tellScores({ router, values, slots, choices, experts, tokens, score, topScore }: Reading): string {
  if (tokens === 0) return "There is no token to route.";
  const who = router.tell(values, slots);
  if (topScore === 0) return `Nothing is scored: ${who}.`;
  const best = choices.map((_, token) => Math.max(...Array.from({ length: experts }, (_, expert) => score(token, expert) ?? 0)));
  const mean = best.reduce((sum, one) => sum + one, 0) / tokens;
  return (
    `The router scores ${counted(experts, "expert")} for each of ${counted(tokens, "token")}, and ${who}. ` +
    `A token’s best score is ${percent(mean)} on average.`
  );
}

export function tellFlow(reading: Reading): string {
  const { choices, devices, dropped } = reading;
  const mixtures = mixturesOf(reading);
  if (mixtures !== null) {
    const away = mixtures * (devices - 1);
    const crossing = devices === 1 ? "With one device nothing has to travel." : `${away} leave their device.`;
    return `Every token has something of every expert. What goes to experts are ${counted(mixtures * devices, "mixture")} of tokens. ${crossing}`;
  }
  const all = choices.flat();
  const kept = all.filter((choice) => choice.kept);
  const away = kept.filter((choice) => choice.from !== choice.to).length;
  const crossing = devices === 1 ? "With one device nothing has to travel." : `${away} leave their device.`;
  const turned = dropped === 0 ? "None is turned away." : `${counted(dropped, "is", "are")} turned away and shown hollow.`;
  return `Of ${counted(all.length, "choice")}, ${kept.length} reach their expert. ${crossing} ${turned}`;
}

export function tellLoads(reading: Reading, demanded: Uint32Array): string {
  const { router, experts, groups, peak, slots, slotsSum } = reading;
  if (router.mixes) return `Every expert has something of every token, in ${counted((slots ?? 0) * groups, "mixture")}. Nothing is dropped.`;
  const most = demanded.indexOf(Math.max(...demanded));
  const idle = demanded.filter((n) => n === 0).length;
  const busiest =
    peak === 1
      ? `Every expert is wanted as much as any other: ${counted(demanded[most] ?? 0, "choice")} each.`
      : `Expert ${most} is wanted most: ${counted(demanded[most] ?? 0, "choice")}, ${decimal(peak, 2)} times the mean.`;
  const left = idle === 0 ? "" : ` ${counted(idle, "expert")} of ${experts} ${idle === 1 ? "gets" : "get"} nothing.`;
  if (slots === null) return `${busiest}${left} There is no limit: nothing is dropped.`;
  const each = groups === 1 ? "" : ` in each of ${groups} groups, ${slots * groups} in all`;
  return `${busiest}${left} Each expert has ${slotsSum} = ${counted(slots, "slot")}${each}.`;
}

export function tellBytes({ output: { traffic } }: Snapshot): string {
  if (traffic.devices === 1) return "With one device there is no network: everything is local.";
  const useful = traffic.exchanges.reduce((sum, exchange) => sum + network(exchange.usefulBytes, traffic.devices), 0);
  const share = traffic.networkBytes === 0 ? 0 : useful / traffic.networkBytes;
  const padding = share === 1 ? "all of them useful" : `of which ${percent(share)} are useful; the rest fills empty slots`;
  return `A forward pass moves ${exactBytes(traffic.networkBytes)} between ${traffic.devices} devices, ${padding}.`;
}

export function tellBalance(points: readonly { balance: number | null; peak: number }[], { router, peak }: Reading): string {
  const [first, last] = [points[0], points.at(-1)];
  if (router.still !== undefined) return `${router.still} So there is no step to take, and the busiest expert stays at ${decimal(peak, 2)} times the mean load.`;
  const follows = router.losses.includes("loadBalance") ? "balance loss alone; 1 is perfectly even" : "z-loss alone: this router needs no balance loss";
  if (!first || !last || points.length < 2) return `No step has been taken. A step follows the gradient of the ${follows}.`;
  const busiest = `the busiest expert from ${decimal(first.peak, 2)} to ${decimal(last.peak, 2)} times the mean load.`;
  const steps = counted(points.length - 1, "step");
  if (first.balance === null || last.balance === null) return `In ${steps} ${busiest.replace(" from", " went from")}`;
  return `In ${steps} the balance loss went from ${decimal(first.balance)} to ${decimal(last.balance)}, and ${busiest}`;
}

/** One line about what is pointed at. */
export function tellFocus({ kind, index }: Focus, snapshot: Snapshot, reading: Reading): string {
  const { choices, deviceOfExpert, deviceOfToken } = reading;
  const { batch, output: { output, routing, traffic }, settings } = snapshot;
  if (kind === "token") {
    const own = choices[index]!;
    const goes = own.map(({ expert, weight, kept, to }) =>
      kept ? `expert ${expert} on device ${to} with weight ${decimal(weight)}` : `expert ${expert}, which is full`,
    );
    const length = Math.hypot(...output.subarray(index * settings.width, (index + 1) * settings.width));
    const answer = own.some((choice) => choice.kept)
      ? `What the experts add to it has length ${decimal(length, 1)}.`
      : "No expert serves it: it passes unchanged.";
    const what = batch.tokens[index]!.padding ? "padding" : `“${batch.tokens[index]!.text}”`;
    const goesTo = goes.length === 0 ? "" : ` and goes to ${goes.join("; ")}`;
    return `Token ${index}, ${what}, lives on device ${deviceOfToken(index)}${goesTo}. ${answer}`;
  }
  if (kind === "expert") {
    const [wanted, kept] = [routing.demanded[index]!, routing.load[index]!];
    const dropped = wanted === kept ? "it keeps all" : `it keeps ${kept} and drops ${wanted - kept}`;
    return `Expert ${index} lives on device ${deviceOfExpert(index)}. ${counted(wanted, "choice")} fell on it; ${dropped}.`;
  }
  const mixtures = mixturesOf(reading);
  if (mixtures !== null) {
    const local = mixtures / traffic.devices;
    const bytesOfRow = settings.width * 4;
    return (
      `Device ${index} of ${traffic.devices} receives ${counted(mixtures - local, "mixture")} of ${bytesOfRow} bytes from others ` +
      `(${bytes((mixtures - local) * bytesOfRow)}) and keeps ${local} of its own.`
    );
  }
  const arriving = choices.flat().filter((choice) => choice.kept && choice.to === index);
  const local = arriving.filter((choice) => choice.from === index).length;
  const row = settings.width * 4;
  return (
    `Device ${index} of ${traffic.devices} receives ${counted(arriving.length - local, "row")} of ${row} bytes from others ` +
    `(${bytes((arriving.length - local) * row)}) and keeps ${local} of its own.`
  );
}

/** The whole in one breath, for the live region. */
export function tellAll(snapshot: Snapshot, reading: Reading): string {
  const { traffic } = snapshot.output;
  return (
    `${counted(reading.tokens, "token")} routed to ${counted(reading.experts, "expert")}. ` +
    `${counted(reading.dropped, "choice")} dropped. ${exactBytes(traffic.networkBytes)} on the network. ` +
    `Step ${snapshot.step}, busiest expert at ${decimal(reading.peak, 2)} times the mean.`
  );
}

/** Whether the formula gives the bytes that were counted. */
export function tellAgreement(snapshot: Snapshot, reading: Reading): string {
  const sums = parts(snapshot.output.traffic, reading, snapshot.settings.width);
  const total = sums.reduce((sum, part) => sum + part.formula, 0);
  return total === snapshot.output.traffic.networkBytes
    ? "Exact: the formula gives what the layer counted while it moved the rows."
    : `The formula gives ${exactBytes(total)}, the layer counted ${exactBytes(snapshot.output.traffic.networkBytes)}.`;
}
