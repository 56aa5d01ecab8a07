"use strict";
/* Highlighting: a text in one of the syntaxes becomes pieces, each a class and its characters. */

const WORDS = {
  python: /^(?:and|as|assert|break|class|continue|def|elif|else|False|for|from|if|import|in|is|lambda|None|not|or|pass|return|True|while|with|yield)$/,
  cpp: /^(?:auto|bool|break|char|const|constexpr|continue|double|else|extern|float|for|goto|if|inline|int|long|return|short|signed|sizeof|static|static_cast|struct|template|true|false|typename|unsigned|void|while|__global__|__device__|__restrict__)$/,
};

/* By syntax: classes and the patterns of what has them, the first that matches wins. */
const GRAMMARS = {
  python: [
    ["c", /#.*/y],
    ["s", /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/y],
    ["f", /@[\w.]+/y],
    ["n", /\b(?:\d[\d_]*\.?\d*(?:e[+-]?\d+)?|0x[\da-f]+)\b/iy],
    ["word", /[A-Za-z_]\w*/y],
  ],
  cpp: [
    ["c", /\/\/.*/y],
    ["s", /"(?:[^"\\\n]|\\.)*"/y],
    ["t", /\bwp::(?:float|int|uint|bool|vec|mat|array|launch|quat|transform)\w*/y],
    ["n", /\b\d[\d.]*(?:e[+-]?\d+)?[fuLl]*\b/iy],
    ["word", /[A-Za-z_][\w:]*/y],
  ],
  mlir: [
    ["s", /"(?:[^"\\\n]|\\.)*"/y],
    ["v", /%[\w#.]+/y],
    ["f", /@[\w.$]+/y],
    ["t", /\b(?:tensor|memref|vector)<[^<>]*>|#\w+(?:\.\w+)*/y],
    ["k", /\b(?:stablehlo|chlo|func|mhlo|shape)\.\w+|\b(?:module|return|call|cond|do|dense|applies|across|private|public|attributes|init|dims|dimensions)\b/y],
    ["n", /-?\b\d[\w.+-]*\b/y],
  ],
  hlo: [
    ["s", /"(?:[^"\\\n]|\\.)*"/y],
    ["v", /%[\w.-]+/y],
    ["t", /\b(?:pred|token|[suf]\d+|bf16)\[[^\]]*\](?:\{[^}]*\})?/y],
    ["k", /\b(?:HloModule|ENTRY|ROOT)\b|\b[a-z][a-z-]*(?=\()/y],
    ["f", /\b[a-z_]+(?==)/y],
    ["n", /-?\b\d[\w.+-]*\b/y],
  ],
};
GRAMMARS.cuda = GRAMMARS.cpp;

/** The pieces of one line: pairs of class and characters; "" where nothing is to be said. */
function pieces(line, syntax) {
  const grammar = GRAMMARS[syntax] || [];
  const keywords = WORDS[syntax === "cuda" ? "cpp" : syntax];
  const found = [];
  let plain = "";
  let at = 0;
  while (at < line.length) {
    let matched = "";
    let kind = "";
    for (const [name, pattern] of grammar) {
      pattern.lastIndex = at;
      const hit = pattern.exec(line);
      if (hit) {
        [matched, kind] = [hit[0], name];
        break;
      }
    }
    if (kind === "word") {
      const called = line[at + matched.length] === "(";
      kind = keywords && keywords.test(matched) ? "k" : called ? "f" : "";
    }
    if (!matched) [matched, kind] = [line[at], ""];
    if (kind) {
      if (plain) found.push(["", plain]);
      plain = "";
      found.push([kind, matched]);
    } else {
      plain += matched;
    }
    at += matched.length;
  }
  if (plain) found.push(["", plain]);
  return found;
}

/** Replace the text of a line by its pieces. Text stays text. */
function highlight(element, syntax) {
  const line = element.textContent;
  if (!line || line.length > 2000) return;
  const parts = document.createDocumentFragment();
  for (const [kind, characters] of pieces(line, syntax)) {
    if (kind) {
      const span = document.createElement("span");
      span.className = kind;
      span.textContent = characters;
      parts.append(span);
    } else {
      parts.append(characters);
    }
  }
  element.replaceChildren(parts);
}
