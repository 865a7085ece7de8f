#!/usr/bin/env bash
# Back sample data up, change it, back up again, list, restore and compare: all
# on this machine, with the manifests beside this script. Run it with `make demo`.
set -euo pipefail
cd "$(dirname "$0")/../.."

vk=$PWD/bin/kubectl-volsync_kopia
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
volume=$work/volume

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '$ kubectl volsync-kopia %s\n' "$*" | sed "s#$work#\$DEMO#g"; "$vk" "$@"; }
flags=(-f examples/demo/source.yaml -f examples/demo/secret.yaml --local
       --repository-dir "$work/repository" --state-dir "$work/state" --kopia "$PWD/bin/kopia")

say "1. Sample data: a volume with a library, links and a temporary file"
mkdir -p "$volume/library/poems" "$work/repository"
for n in $(seq 1 200); do printf 'note %s\n' "$n" > "$volume/library/note-$n.txt"; done
head -c 3000000 /dev/urandom > "$volume/library/picture.raw"
printf 'roses are red\n' > "$volume/library/poems/roses.txt"
ln -s poems/roses.txt "$volume/library/favourite"
chmod 0640 "$volume/library/poems/roses.txt"
printf 'scratch\n' > "$volume/library/editor.tmp"

say "2. Check the manifest, then see the plan: nothing is run"
run validate -f examples/demo/source.yaml -f examples/demo/secret.yaml
run plan "${flags[@]}" --source-dir "$volume"

say "3. First backup: the empty repository directory becomes a repository"
run backup "${flags[@]}" --source-dir "$volume"

say "4. Change the data and back up again"
printf 'violets are blue\n' >> "$volume/library/poems/roses.txt"
rm "$volume/library/note-7.txt"
run backup "${flags[@]}" --source-dir "$volume"

say "5. The snapshots"
run snapshots list "${flags[@]}"

say "6. Restore the newest one elsewhere and compare"
mkdir "$work/restored"
run restore "${flags[@]}" --target-dir "$work/restored"
rm "$volume/library/editor.tmp" # --ignore=*.tmp keeps it out of every snapshot
diff -r --no-dereference "$volume/library" "$work/restored"
# The type, mode and link target of each entry must be the same too.
listing() { (cd "$1" && find . -printf '%p %y %m %l\n' | sort); }
diff <(listing "$volume/library") <(listing "$work/restored")
echo "The restored tree is the same: content, modes and links."

say "Done. Nothing is left on this machine but the tools in bin/."
