/* Reading log lines: the time stamp in front, the severity inside, the lines that match. */
const STAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)\s?/;
const BAD = /\b(ERROR|FATAL|CRITICAL|PANIC)\b|\blevel=(error|fatal)\b|\x22level\x22:\s*\x22(error|fatal)\x22|^panic:|^E\d{4} /i;
const WARN = /\bWARN(ING)?\b|\blevel=warn(ing)?\b|\x22level\x22:\s*\x22warn(ing)?\x22|^W\d{4} /i;

export function parseLine(raw) {
  const match = STAMP.exec(raw);
  if (!match) {
    return { raw, text: raw, time: null, millis: "" };
  }
  const millis = (match[2] || "0").slice(0, 3).padEnd(3, "0");
  return { raw, text: raw.slice(match[0].length), time: `${match[1]}.${millis}${match[3]}`, millis };
}

export function severity(text) {
  return BAD.test(text) ? "e" : WARN.test(text) ? "w" : "";
}

/** Indices of the lines from `start` on that contain the lower-case query. */
export function search(lines, query, start) {
  const found = [];
  for (let at = start; at < lines.length; at += 1) {
    if (lines[at].text.toLowerCase().includes(query)) {
      found.push(at);
    }
  }
  return found;
}
