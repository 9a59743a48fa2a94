# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_bolt_global_optspecs
    string join \n h/help V/version
end

function __fish_bolt_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_bolt_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_bolt_using_subcommand
    set -l cmd (__fish_bolt_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c bolt -n "__fish_bolt_needs_command" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_needs_command" -s V -l version -d 'Print version'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "attach" -d 'Attach to a running container'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "bench" -d 'Keep what was measured on this machine'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "container" -d 'Manage containers'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "cp" -d 'Copy files between a container and the host'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "diff" -d 'List what a container changed, added and deleted in its root file system'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "events" -d 'Show what happens to containers, images, volumes and the store'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "exec" -d 'Run a command in a running container'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "export" -d 'Write the root file system of a container as a tar archive'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "game" -d 'Games outside containers'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "generate" -d 'Write what other programs need to start bolt'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "healthcheck" -d 'Check the health of containers'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "inspect" -d 'Show containers, images or volumes in detail'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "kill" -d 'Send a signal to running containers'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "logs" -d 'Show the output of containers'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "pause" -d 'Freeze all processes of containers'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "port" -d 'Show the published ports of a running container'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "ps" -d 'List containers'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "rename" -d 'Rename a container'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "resolve" -d 'Show which variant of a game fits this machine; nothing is pulled'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "restart" -d 'Restart containers'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "rm" -d 'Remove containers'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "start" -d 'Start containers'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "stats" -d 'Show what running containers use'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "steam" -d 'Bolt within Steam'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "stop" -d 'Stop containers'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "top" -d 'List the running processes of a container'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "unpause" -d 'Let paused containers go on'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "unshare" -d 'Run a command in the user namespace of the containers'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "volume" -d 'Manage volumes'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "wait" -d 'Wait until containers stop and print their exit codes'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "completion" -d 'Print the completion script for a shell'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "create" -d 'Create a container without starting it'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "doctor" -d 'Check this host and tell how to mend it'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "image" -d 'Manage images'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "images" -d 'List images'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "info" -d 'Show what this host and the local store are like'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "rmi" -d 'Remove images from the local store'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "system" -d 'Look after what bolt keeps on disk'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "tag" -d 'Give an image further names'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "untag" -d 'Take names away from an image; without NAME, all of them'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "update" -d 'Change the limits and the restart policy of a container'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "version" -d 'Show the version'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "manifest" -d 'Make and push image lists (manifest lists, OCI indexes)'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "login" -d 'Log in to a registry'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "logout" -d 'Log out of a registry'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "mirror" -d 'Fill buckets with images'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "pull" -d 'Pull an image from a registry, a bucket, an OCI layout or an OCI archive'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "profile" -d 'Push, list, show and fetch optimisation profiles'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "push" -d 'Push an image to a registry, a bucket, an OCI layout or an OCI archive'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "search" -d 'Search registries for games, profiles and images'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "secret" -d 'Manage secrets'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "run" -d 'Run a command in a new container'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "source" -d 'Show where blobs come from'
complete -c bolt -n "__fish_bolt_needs_command" -f -a "surge" -d 'Run a container as nvbind asks for it'
complete -c bolt -n "__fish_bolt_using_subcommand attach" -l detach-keys -d 'Keys that detach from a terminal; empty: none' -r
complete -c bolt -n "__fish_bolt_using_subcommand attach" -l sig-proxy -d 'Forward signals to the container' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand attach" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand attach" -l no-stdin -d 'Do not feed standard input'
complete -c bolt -n "__fish_bolt_using_subcommand attach" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand bench; and not __fish_seen_subcommand_from record" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand bench; and not __fish_seen_subcommand_from record" -f -a "record" -d 'Record the frames of a game: variants that ran well here are preferred'
complete -c bolt -n "__fish_bolt_using_subcommand bench; and __fish_seen_subcommand_from record" -l fps-log -d 'Log of MangoHud (CSV)' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand bench; and __fish_seen_subcommand_from record" -l lock-file -d 'Lock file of bolt:// names [default: lock.json of the user\'s data]' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand bench; and __fish_seen_subcommand_from record" -l locked -d 'Take what the lock file says of a bolt:// name and nothing else'
complete -c bolt -n "__fish_bolt_using_subcommand bench; and __fish_seen_subcommand_from record" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "attach" -d 'Attach to a running container'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "cp" -d 'Copy files between a container and the host'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "diff" -d 'List what a container changed, added and deleted in its root file system'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "exec" -d 'Run a command in a running container'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "export" -d 'Write the root file system of a container as a tar archive'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "exists" -d 'Exit with 0 if the container exists, else with 1'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "inspect" -d 'Show containers, images or volumes in detail'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "kill" -d 'Send a signal to running containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "ls" -d 'List containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "list" -d 'List containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "ps" -d 'List containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "logs" -d 'Show the output of containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "pause" -d 'Freeze all processes of containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "port" -d 'Show the published ports of a running container'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "prune" -d 'Remove all containers that do not run'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "rename" -d 'Rename a container'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "restart" -d 'Restart containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "rm" -d 'Remove containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "start" -d 'Start containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "stats" -d 'Show what running containers use'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "stop" -d 'Stop containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "top" -d 'List the running processes of a container'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "unpause" -d 'Let paused containers go on'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "update" -d 'Change the limits and the restart policy of a container'
complete -c bolt -n "__fish_bolt_using_subcommand container; and not __fish_seen_subcommand_from attach cp diff exec export exists inspect kill ls list ps logs pause port prune rename restart rm start stats stop top unpause update wait" -f -a "wait" -d 'Wait until containers stop and print their exit codes'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from attach" -l detach-keys -d 'Keys that detach from a terminal; empty: none' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from attach" -l sig-proxy -d 'Forward signals to the container' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from attach" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from attach" -l no-stdin -d 'Do not feed standard input'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from attach" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from cp" -s a -l archive -d 'Files belong to the container\'s root; =false: keep the owner\'s number' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from cp" -l overwrite -d 'Directories replace files and files replace directories'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from cp" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from diff" -l format -d 'json: one object with three lists' -r -f -a "json\t''"
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from diff" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from exec" -l detach-keys -d 'Keys that leave a terminal, and the command to itself; empty: none' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from exec" -s e -l env -d 'Set an environment variable; without =VALUE: the caller\'s' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from exec" -l env-file -d 'Read environment variables from a file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from exec" -s u -l user -d 'User of the command, USER[:GROUP]' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from exec" -s w -l workdir -d 'Working directory' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from exec" -l preserve-fds -d 'Pass descriptors 3 to 2+N of the caller' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from exec" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from exec" -s d -l detach -d 'Do not wait for the command'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from exec" -s i -l interactive -d 'Give the command standard input'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from exec" -s t -l tty -d 'Give the command a terminal'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from exec" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from exec" -l privileged -d 'All capabilities of the container\'s user namespace'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from exec" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from export" -s o -l output -d 'Write to this file instead of standard output' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from exists" -l external -d 'Accepted for podman\'s sake: there are no other programs\' containers here'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Go template or json' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from inspect" -s t -l type -d 'Kind of the objects; of all, the first with the name: container, image, volume' -r -f -a "all\t''
container\t''
image\t''
volume\t''"
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from inspect" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from inspect" -s s -l size -d 'Add the size of the container\'s files'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from kill" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from kill" -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from kill" -s s -l signal -d 'Signal name or number' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from kill" -s a -l all -d 'All containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from kill" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from kill" -s i -l ignore -d 'A container or cidfile that does not exist is no error'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from kill" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ls" -l format -d 'Go template, `table …` or json' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them)' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ls" -s n -l last -d 'The last N created, whatever they do' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ls" -l sort -d 'Order of the rows' -r -f -a "command\t''
created\t''
id\t''
image\t''
names\t''
runningfor\t''
size\t''
status\t''"
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ls" -s a -l all -d 'Those that do not run too'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Only IDs'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ls" -s s -l size -d 'Add the size of the containers\' files'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ls" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Whole IDs and commands'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ls" -l noheading -d 'No heading'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ls" -l ns -d 'Namespaces too'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from list" -l format -d 'Go template, `table …` or json' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from list" -s f -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them)' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from list" -s n -l last -d 'The last N created, whatever they do' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from list" -l sort -d 'Order of the rows' -r -f -a "command\t''
created\t''
id\t''
image\t''
names\t''
runningfor\t''
size\t''
status\t''"
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from list" -s a -l all -d 'Those that do not run too'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Only IDs'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from list" -s s -l size -d 'Add the size of the containers\' files'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from list" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from list" -l no-trunc -d 'Whole IDs and commands'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from list" -l noheading -d 'No heading'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from list" -l ns -d 'Namespaces too'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ps" -l format -d 'Go template, `table …` or json' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ps" -s f -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them)' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ps" -s n -l last -d 'The last N created, whatever they do' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ps" -l sort -d 'Order of the rows' -r -f -a "command\t''
created\t''
id\t''
image\t''
names\t''
runningfor\t''
size\t''
status\t''"
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ps" -s a -l all -d 'Those that do not run too'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ps" -s q -l quiet -d 'Only IDs'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ps" -s s -l size -d 'Add the size of the containers\' files'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ps" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ps" -l no-trunc -d 'Whole IDs and commands'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ps" -l noheading -d 'No heading'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ps" -l ns -d 'Namespaces too'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from ps" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from logs" -l since -d 'Nothing before this time, or longer ago than this span' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from logs" -l until -d 'Nothing after this time; a span lies ahead: 10m is in ten minutes, -10m was ten minutes ago' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from logs" -l tail -d 'Only this many lines from the end; -1: all' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from logs" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Go on until the containers end'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from logs" -s t -l timestamps -d 'Put the time before each line'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from logs" -s n -l names -d 'Put the container\'s name before each line'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from logs" -l color -d 'One color a container'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from logs" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from pause" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from pause" -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from pause" -s a -l all -d 'All containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from pause" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from pause" -s i -l ignore -d 'A container or cidfile that does not exist is no error'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from pause" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from port" -s a -l all -d 'Of all running containers, each line with the container\'s id'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from port" -s l -l latest -d 'The container created last; a PORT is then the only word'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from port" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from prune" -l filter -d 'Only containers that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from rename" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from restart" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from restart" -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from restart" -s t -l time -d 'Seconds to wait before a container is killed' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from restart" -s a -l all -d 'All containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from restart" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from restart" -s i -l ignore -d 'A container or cidfile that does not exist is no error'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from restart" -l running -d 'Only containers that run'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from restart" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from rm" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from rm" -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from rm" -s t -l time -d 'Seconds to wait before a container is killed; needs --force' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from rm" -s a -l all -d 'All containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from rm" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'A container or cidfile that does not exist is no error'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from rm" -s f -l force -d 'Stop running containers first; unknown ones are no error'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from rm" -s v -l volumes -d 'Remove anonymous volumes too'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from rm" -l depend -d 'Remove the containers too that require one of these'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from start" -s f -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from start" -l detach-keys -d 'Keys that detach from a terminal; empty: none' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from start" -l sig-proxy -d 'Forward signals when attached' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from start" -l sdnotify -d 'Who tells NOTIFY_SOCKET that the container is ready, in place of its own --sdnotify' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from start" -l cgroups -d 'Control groups, in place of the container\'s own --cgroups' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from start" -l all -d 'All containers that do not run'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from start" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from start" -s a -l attach -d 'Attach to the output; one container only'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from start" -s i -l interactive -d 'Feed standard input too; attaches'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from stats" -l format -d 'Go template, `table …` or json' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from stats" -s i -l interval -d 'Seconds between two looks' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from stats" -s a -l all -d 'Those that do not run too'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from stats" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-stream -d 'Once instead of again and again'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-reset -d 'One under the other instead of on a cleared terminal'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from stats" -l no-trunc -d 'Whole IDs'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from stats" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from stop" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from stop" -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from stop" -s t -l time -d 'Seconds to wait before the container is killed' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from stop" -s a -l all -d 'All containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from stop" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from stop" -s i -l ignore -d 'A container or cidfile that does not exist is no error'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from top" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from top" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from unpause" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from unpause" -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from unpause" -s a -l all -d 'All containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from unpause" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from unpause" -s i -l ignore -d 'A container or cidfile that does not exist is no error'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from unpause" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from update" -s m -l memory -d 'Memory limit' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from update" -l memory-reservation -d 'Memory that is protected from being taken by others, as far as the caller\'s own control group is' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from update" -l memory-swap -d 'Memory and swap limit; -1 is unlimited' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from update" -l cpus -d 'Number of CPUs' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-period -d 'Microseconds after which the quota of CPU time begins anew [default: 100000]' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from update" -l cpu-quota -d 'Microseconds of CPU time within each period; 0 and -1 are unlimited' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from update" -s c -l cpu-shares -d 'CPU shares, relative weight' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from update" -l cpuset-cpus -d 'CPUs to run on' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from update" -l cpuset-mems -d 'Memory nodes to allocate from' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from update" -l pids-limit -d 'Limit of processes and threads; -1 is unlimited [default: 2048 where a cgroup can be made at once]' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from update" -l restart -d 'Restart policy: no, on-failure[:N], always, unless-stopped' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from update" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from wait" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from wait" -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from wait" -l condition -d 'State to wait for; several are alternatives' -r -f -a "configured\t''
created\t''
exited\t''
healthy\t''
initialized\t''
paused\t''
removing\t''
running\t''
stopped\t''
stopping\t''
unhealthy\t''"
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from wait" -s i -l interval -d 'Time between two looks, such as 250ms; a number is milliseconds' -r
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from wait" -s a -l all -d 'All containers'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from wait" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from wait" -l ignore -d 'A container or cidfile that does not exist is no error'
complete -c bolt -n "__fish_bolt_using_subcommand container; and __fish_seen_subcommand_from wait" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand cp" -s a -l archive -d 'Files belong to the container\'s root; =false: keep the owner\'s number' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand cp" -l overwrite -d 'Directories replace files and files replace directories'
complete -c bolt -n "__fish_bolt_using_subcommand cp" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand diff" -l format -d 'json: one object with three lists' -r -f -a "json\t''"
complete -c bolt -n "__fish_bolt_using_subcommand diff" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand diff" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand events" -l since -d 'Only events since this time (2026-01-31T18:30:00Z, seconds since 1970, or a span such as 10m ago)' -r
complete -c bolt -n "__fish_bolt_using_subcommand events" -l until -d 'Only events until this time; a span lies ahead: 10m is in ten minutes, -10m was ten minutes ago' -r
complete -c bolt -n "__fish_bolt_using_subcommand events" -s f -l filter -d 'Only events that match: artifact, container, event, image, label, status, type, volume' -r
complete -c bolt -n "__fish_bolt_using_subcommand events" -l format -d 'Go template, or json: one object a line' -r
complete -c bolt -n "__fish_bolt_using_subcommand events" -l stream -d 'Go on with new events; with =false end after those that are there' -r
complete -c bolt -n "__fish_bolt_using_subcommand events" -l no-trunc -d 'Whole IDs' -r
complete -c bolt -n "__fish_bolt_using_subcommand events" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand exec" -l detach-keys -d 'Keys that leave a terminal, and the command to itself; empty: none' -r
complete -c bolt -n "__fish_bolt_using_subcommand exec" -s e -l env -d 'Set an environment variable; without =VALUE: the caller\'s' -r
complete -c bolt -n "__fish_bolt_using_subcommand exec" -l env-file -d 'Read environment variables from a file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand exec" -s u -l user -d 'User of the command, USER[:GROUP]' -r
complete -c bolt -n "__fish_bolt_using_subcommand exec" -s w -l workdir -d 'Working directory' -r
complete -c bolt -n "__fish_bolt_using_subcommand exec" -l preserve-fds -d 'Pass descriptors 3 to 2+N of the caller' -r
complete -c bolt -n "__fish_bolt_using_subcommand exec" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand exec" -s d -l detach -d 'Do not wait for the command'
complete -c bolt -n "__fish_bolt_using_subcommand exec" -s i -l interactive -d 'Give the command standard input'
complete -c bolt -n "__fish_bolt_using_subcommand exec" -s t -l tty -d 'Give the command a terminal'
complete -c bolt -n "__fish_bolt_using_subcommand exec" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand exec" -l privileged -d 'All capabilities of the container\'s user namespace'
complete -c bolt -n "__fish_bolt_using_subcommand exec" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand export" -s o -l output -d 'Write to this file instead of standard output' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand export" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand game; and not __fish_seen_subcommand_from wrap" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand game; and not __fish_seen_subcommand_from wrap" -f -a "wrap" -d 'Start a game with settings, and take them back when it ends'
complete -c bolt -n "__fish_bolt_using_subcommand game; and __fish_seen_subcommand_from wrap" -l affinity -d 'Processors that the game may use, such as 0-3,8' -r
complete -c bolt -n "__fish_bolt_using_subcommand game; and __fish_seen_subcommand_from wrap" -l nice -d 'Niceness, -20 (first) to 19 (last)' -r
complete -c bolt -n "__fish_bolt_using_subcommand game; and __fish_seen_subcommand_from wrap" -l ionice -d 'I/O class: best-effort:0 to best-effort:7, realtime:0 to realtime:7, idle' -r
complete -c bolt -n "__fish_bolt_using_subcommand game; and __fish_seen_subcommand_from wrap" -l cpu-weight -d 'Share of the processors against other programs, 1 to 10000 (usual 100)' -r
complete -c bolt -n "__fish_bolt_using_subcommand game; and __fish_seen_subcommand_from wrap" -l memory-low -d 'Memory that is taken from others first, such as 4g' -r
complete -c bolt -n "__fish_bolt_using_subcommand game; and __fish_seen_subcommand_from wrap" -l env -d 'Set a variable for the game' -r
complete -c bolt -n "__fish_bolt_using_subcommand game; and __fish_seen_subcommand_from wrap" -l gamescope -d 'Run the game inside gamescope, which gets these words' -r
complete -c bolt -n "__fish_bolt_using_subcommand game; and __fish_seen_subcommand_from wrap" -l mangohud -d 'Show MangoHud in Vulkan games, with =gl in OpenGL games too' -r -f -a "vulkan\t''
gl\t''"
complete -c bolt -n "__fish_bolt_using_subcommand game; and __fish_seen_subcommand_from wrap" -l report -d 'Write how each setting ended, as JSON, to a file or the descriptor of this number' -r
complete -c bolt -n "__fish_bolt_using_subcommand game; and __fish_seen_subcommand_from wrap" -l gamemode -d 'Tell GameMode that this is a game'
complete -c bolt -n "__fish_bolt_using_subcommand game; and __fish_seen_subcommand_from wrap" -l strict -d 'Do not start the game unless every setting is applied'
complete -c bolt -n "__fish_bolt_using_subcommand game; and __fish_seen_subcommand_from wrap" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bolt -n "__fish_bolt_using_subcommand generate; and not __fish_seen_subcommand_from steam systemd" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand generate; and not __fish_seen_subcommand_from steam systemd" -f -a "steam" -d 'Print the line for a game\'s launch options in Steam'
complete -c bolt -n "__fish_bolt_using_subcommand generate; and not __fish_seen_subcommand_from steam systemd" -f -a "systemd" -d 'Generate a systemd unit that runs a container'
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from steam" -l affinity -d 'Processors that the game may use, such as 0-3,8' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from steam" -l nice -d 'Niceness, -20 (first) to 19 (last)' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from steam" -l ionice -d 'I/O class: best-effort:0 to best-effort:7, realtime:0 to realtime:7, idle' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from steam" -l cpu-weight -d 'Share of the processors against other programs, 1 to 10000 (usual 100)' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from steam" -l memory-low -d 'Memory that is taken from others first, such as 4g' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from steam" -l env -d 'Set a variable for the game' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from steam" -l gamescope -d 'Run the game inside gamescope, which gets these words' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from steam" -l mangohud -d 'Show MangoHud in Vulkan games, with =gl in OpenGL games too' -r -f -a "vulkan\t''
gl\t''"
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from steam" -l gamemode -d 'Tell GameMode that this is a game'
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from steam" -l strict -d 'Do not start the game unless every setting is applied'
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from steam" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l restart-policy -d 'Restart= of the unit [default: on-failure, or what the container\'s own policy means]' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l restart-sec -d 'RestartSec= of the unit' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l start-timeout -d 'Seconds that a start may take' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -s t -l stop-timeout -l time -d 'Seconds before the container is killed at a stop [default: the container\'s own]' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l wants -d 'Units that are to run too; one without a kind is a .service' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l after -d 'Units that are started before' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l requires -d 'Units without which this one does not run' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -s e -l env -d 'Variables for bolt in the unit; without =VALUE: the caller\'s, and NAME* all that begin so' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l format -d 'json: an object of names and units, or with --files of names and paths' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l separator -d 'Between prefix and name' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l container-prefix -d 'First part of the unit\'s name' -r
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l new -d 'Make a container at each start and remove it at each stop, instead of starting this one'
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -s f -l files -d 'Write NAME.service into the working directory and print its path'
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l force -d 'Replace a file that was changed by hand'
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -s n -l name -d 'Use the container\'s name instead of its ID'
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l no-header -d 'No header with version and checksum'
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l template -d 'A unit of which many instances can run, NAME@.service; implies --new'
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -l boot -d 'Instead of a container\'s: the unit that starts containers after a boot by their --restart policies'
complete -c bolt -n "__fish_bolt_using_subcommand generate; and __fish_seen_subcommand_from systemd" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand healthcheck; and not __fish_seen_subcommand_from run" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand healthcheck; and not __fish_seen_subcommand_from run" -f -a "run" -d 'Run the health check of a container; exits with 0 when it is healthy, with 1 when it is not'
complete -c bolt -n "__fish_bolt_using_subcommand healthcheck; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand inspect" -s f -l format -d 'Go template or json' -r
complete -c bolt -n "__fish_bolt_using_subcommand inspect" -s t -l type -d 'Kind of the objects; of all, the first with the name: container, image, volume' -r -f -a "all\t''
container\t''
image\t''
volume\t''"
complete -c bolt -n "__fish_bolt_using_subcommand inspect" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand inspect" -s s -l size -d 'Add the size of the container\'s files'
complete -c bolt -n "__fish_bolt_using_subcommand inspect" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand kill" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand kill" -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand kill" -s s -l signal -d 'Signal name or number' -r
complete -c bolt -n "__fish_bolt_using_subcommand kill" -s a -l all -d 'All containers'
complete -c bolt -n "__fish_bolt_using_subcommand kill" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand kill" -s i -l ignore -d 'A container or cidfile that does not exist is no error'
complete -c bolt -n "__fish_bolt_using_subcommand kill" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand logs" -l since -d 'Nothing before this time, or longer ago than this span' -r
complete -c bolt -n "__fish_bolt_using_subcommand logs" -l until -d 'Nothing after this time; a span lies ahead: 10m is in ten minutes, -10m was ten minutes ago' -r
complete -c bolt -n "__fish_bolt_using_subcommand logs" -l tail -d 'Only this many lines from the end; -1: all' -r
complete -c bolt -n "__fish_bolt_using_subcommand logs" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand logs" -s f -l follow -d 'Go on until the containers end'
complete -c bolt -n "__fish_bolt_using_subcommand logs" -s t -l timestamps -d 'Put the time before each line'
complete -c bolt -n "__fish_bolt_using_subcommand logs" -s n -l names -d 'Put the container\'s name before each line'
complete -c bolt -n "__fish_bolt_using_subcommand logs" -l color -d 'One color a container'
complete -c bolt -n "__fish_bolt_using_subcommand logs" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand pause" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand pause" -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand pause" -s a -l all -d 'All containers'
complete -c bolt -n "__fish_bolt_using_subcommand pause" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand pause" -s i -l ignore -d 'A container or cidfile that does not exist is no error'
complete -c bolt -n "__fish_bolt_using_subcommand pause" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand port" -s a -l all -d 'Of all running containers, each line with the container\'s id'
complete -c bolt -n "__fish_bolt_using_subcommand port" -s l -l latest -d 'The container created last; a PORT is then the only word'
complete -c bolt -n "__fish_bolt_using_subcommand port" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand ps" -l format -d 'Go template, `table …` or json' -r
complete -c bolt -n "__fish_bolt_using_subcommand ps" -s f -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them)' -r
complete -c bolt -n "__fish_bolt_using_subcommand ps" -s n -l last -d 'The last N created, whatever they do' -r
complete -c bolt -n "__fish_bolt_using_subcommand ps" -l sort -d 'Order of the rows' -r -f -a "command\t''
created\t''
id\t''
image\t''
names\t''
runningfor\t''
size\t''
status\t''"
complete -c bolt -n "__fish_bolt_using_subcommand ps" -s a -l all -d 'Those that do not run too'
complete -c bolt -n "__fish_bolt_using_subcommand ps" -s q -l quiet -d 'Only IDs'
complete -c bolt -n "__fish_bolt_using_subcommand ps" -s s -l size -d 'Add the size of the containers\' files'
complete -c bolt -n "__fish_bolt_using_subcommand ps" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand ps" -l no-trunc -d 'Whole IDs and commands'
complete -c bolt -n "__fish_bolt_using_subcommand ps" -l noheading -d 'No heading'
complete -c bolt -n "__fish_bolt_using_subcommand ps" -l ns -d 'Namespaces too'
complete -c bolt -n "__fish_bolt_using_subcommand ps" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand rename" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand resolve" -l format -d 'Print as text or as JSON, which has all reasons' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c bolt -n "__fish_bolt_using_subcommand resolve" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c bolt -n "__fish_bolt_using_subcommand resolve" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand resolve" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand resolve" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand resolve" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand resolve" -l explain -d 'Show every variant with each reason it was taken or refused'
complete -c bolt -n "__fish_bolt_using_subcommand resolve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bolt -n "__fish_bolt_using_subcommand restart" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand restart" -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand restart" -s t -l time -d 'Seconds to wait before a container is killed' -r
complete -c bolt -n "__fish_bolt_using_subcommand restart" -s a -l all -d 'All containers'
complete -c bolt -n "__fish_bolt_using_subcommand restart" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand restart" -s i -l ignore -d 'A container or cidfile that does not exist is no error'
complete -c bolt -n "__fish_bolt_using_subcommand restart" -l running -d 'Only containers that run'
complete -c bolt -n "__fish_bolt_using_subcommand restart" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand rm" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand rm" -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand rm" -s t -l time -d 'Seconds to wait before a container is killed; needs --force' -r
complete -c bolt -n "__fish_bolt_using_subcommand rm" -s a -l all -d 'All containers'
complete -c bolt -n "__fish_bolt_using_subcommand rm" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand rm" -s i -l ignore -d 'A container or cidfile that does not exist is no error'
complete -c bolt -n "__fish_bolt_using_subcommand rm" -s f -l force -d 'Stop running containers first; unknown ones are no error'
complete -c bolt -n "__fish_bolt_using_subcommand rm" -s v -l volumes -d 'Remove anonymous volumes too'
complete -c bolt -n "__fish_bolt_using_subcommand rm" -l depend -d 'Remove the containers too that require one of these'
complete -c bolt -n "__fish_bolt_using_subcommand rm" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand start" -s f -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand start" -l detach-keys -d 'Keys that detach from a terminal; empty: none' -r
complete -c bolt -n "__fish_bolt_using_subcommand start" -l sig-proxy -d 'Forward signals when attached' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand start" -l sdnotify -d 'Who tells NOTIFY_SOCKET that the container is ready, in place of its own --sdnotify' -r
complete -c bolt -n "__fish_bolt_using_subcommand start" -l cgroups -d 'Control groups, in place of the container\'s own --cgroups' -r
complete -c bolt -n "__fish_bolt_using_subcommand start" -l all -d 'All containers that do not run'
complete -c bolt -n "__fish_bolt_using_subcommand start" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand start" -s a -l attach -d 'Attach to the output; one container only'
complete -c bolt -n "__fish_bolt_using_subcommand start" -s i -l interactive -d 'Feed standard input too; attaches'
complete -c bolt -n "__fish_bolt_using_subcommand start" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand stats" -l format -d 'Go template, `table …` or json' -r
complete -c bolt -n "__fish_bolt_using_subcommand stats" -s i -l interval -d 'Seconds between two looks' -r
complete -c bolt -n "__fish_bolt_using_subcommand stats" -s a -l all -d 'Those that do not run too'
complete -c bolt -n "__fish_bolt_using_subcommand stats" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand stats" -l no-stream -d 'Once instead of again and again'
complete -c bolt -n "__fish_bolt_using_subcommand stats" -l no-reset -d 'One under the other instead of on a cleared terminal'
complete -c bolt -n "__fish_bolt_using_subcommand stats" -l no-trunc -d 'Whole IDs'
complete -c bolt -n "__fish_bolt_using_subcommand stats" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand steam; and not __fish_seen_subcommand_from install-tool tool" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand steam; and not __fish_seen_subcommand_from install-tool tool" -f -a "install-tool" -d 'Install bolt as a compatibility tool of Steam'
complete -c bolt -n "__fish_bolt_using_subcommand steam; and not __fish_seen_subcommand_from install-tool tool" -f -a "tool" -d 'What Steam calls'
complete -c bolt -n "__fish_bolt_using_subcommand steam; and __fish_seen_subcommand_from install-tool" -l root -d 'Steam\'s directory; without it every one of this user' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand steam; and __fish_seen_subcommand_from install-tool" -l uninstall -d 'Remove it again'
complete -c bolt -n "__fish_bolt_using_subcommand steam; and __fish_seen_subcommand_from install-tool" -l force -d 'Replace or remove files that somebody changed'
complete -c bolt -n "__fish_bolt_using_subcommand steam; and __fish_seen_subcommand_from install-tool" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bolt -n "__fish_bolt_using_subcommand steam; and __fish_seen_subcommand_from tool" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand stop" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand stop" -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand stop" -s t -l time -d 'Seconds to wait before the container is killed' -r
complete -c bolt -n "__fish_bolt_using_subcommand stop" -s a -l all -d 'All containers'
complete -c bolt -n "__fish_bolt_using_subcommand stop" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand stop" -s i -l ignore -d 'A container or cidfile that does not exist is no error'
complete -c bolt -n "__fish_bolt_using_subcommand stop" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand top" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand top" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand unpause" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand unpause" -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand unpause" -s a -l all -d 'All containers'
complete -c bolt -n "__fish_bolt_using_subcommand unpause" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand unpause" -s i -l ignore -d 'A container or cidfile that does not exist is no error'
complete -c bolt -n "__fish_bolt_using_subcommand unpause" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand unshare" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "create" -d 'Create a volume'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "ls" -d 'List volumes'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "list" -d 'List volumes'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "inspect" -d 'Show volumes in detail'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "rm" -d 'Remove volumes'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "remove" -d 'Remove volumes'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "prune" -d 'Remove all volumes that no container uses'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and not __fish_seen_subcommand_from create ls list inspect rm remove prune exists" -f -a "exists" -d 'Exit with 0 if the volume exists, else with 1'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from create" -s l -l label -d 'Set a label' -r
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from create" -l ignore -d 'An existing volume is no error'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Only volumes that match: name, label, dangling' -r
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from ls" -l format -d 'Go template or json' -r
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Only names'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'No heading'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from list" -s f -l filter -d 'Only volumes that match: name, label, dangling' -r
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from list" -l format -d 'Go template or json' -r
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Only names'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from list" -s n -l noheading -d 'No heading'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Go template or json' -r
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from rm" -s a -l all -d 'All volumes'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from rm" -s f -l force -d 'Unknown volumes are no error'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from remove" -s a -l all -d 'All volumes'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from remove" -s f -l force -d 'Unknown volumes are no error'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from prune" -l filter -d 'Only volumes that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand volume; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand wait" -l cidfile -d 'Read the container ID from this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand wait" -l filter -d 'Only containers that match (key=value, as podman-ps(1) has them); without names: all that match' -r
complete -c bolt -n "__fish_bolt_using_subcommand wait" -l condition -d 'State to wait for; several are alternatives' -r -f -a "configured\t''
created\t''
exited\t''
healthy\t''
initialized\t''
paused\t''
removing\t''
running\t''
stopped\t''
stopping\t''
unhealthy\t''"
complete -c bolt -n "__fish_bolt_using_subcommand wait" -s i -l interval -d 'Time between two looks, such as 250ms; a number is milliseconds' -r
complete -c bolt -n "__fish_bolt_using_subcommand wait" -s a -l all -d 'All containers'
complete -c bolt -n "__fish_bolt_using_subcommand wait" -s l -l latest -d 'The container created last'
complete -c bolt -n "__fish_bolt_using_subcommand wait" -l ignore -d 'A container or cidfile that does not exist is no error'
complete -c bolt -n "__fish_bolt_using_subcommand wait" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand completion" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bolt -n "__fish_bolt_using_subcommand create" -l name -d 'Assign a name to the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l replace -d 'If a container with the same name exists, replace it; =exited: unless it runs' -r -f -a "false\t'None: the name is in use'
true\t'Any, a running one too'
exited\t'One that does not run'"
complete -c bolt -n "__fish_bolt_using_subcommand create" -s e -l env -d 'Set environment variables in the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -s v -l volume -d 'Bind mount a path, or mount a named volume' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l mount -d 'Attach a file system mount (type=bind, volume or tmpfs)' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l tmpfs -d 'Mount a tmpfs' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -s w -l workdir -d 'Working directory in the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -s u -l user -d 'User name or uid, and group name or gid' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l entrypoint -d 'Overwrite the image\'s entry point; a JSON array or one word' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -s h -l hostname -d 'Host name of the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -s l -l label -d 'Set metadata' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l read-only -d 'Make the root file system read-only' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l network -l net -d 'Network: none, host, pasta[:OPTION,...] or slirp4netns[:OPTION,...]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -s p -l publish -l ports -d 'Publish ports of the container on the host; without a host port a free one is chosen' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l expose -d 'Say that the container serves a port' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l userns -d 'User namespace: host, keep-id[:uid=N,gid=N], nomap or auto[:size=N]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l cap-add -d 'Add capabilities' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l cap-drop -d 'Drop capabilities' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l security-opt -d 'Security options: seccomp=FILE|unconfined, no-new-privileges, mask=PATHS, unmask=PATHS|ALL' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l device -d 'Add a host device' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l env-file -d 'Read environment variables from a file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand create" -l unsetenv -d 'Remove environment variables that the image sets' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l env-host -d 'Pass the whole environment of the caller' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l passwd -d 'Let the container\'s passwd and group know a user that the image does not; =false: leave them alone [default: true]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l passwd-entry -d 'The line of passwd for such a user; $USERNAME, $UID, $GID, $NAME and $HOME are replaced' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l group-add -d 'Add supplementary groups; keep-groups keeps the caller\'s' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l ulimit -d 'Resource limits' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l umask -d 'umask in the container [default: 0022]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l tz -d 'Time zone in the container, bound to /etc/localtime; local is the host\'s' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l oom-score-adj -d 'Adjust how soon the OOM killer takes the container (-1000 to 1000)' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l init -d 'Run a small init that forwards signals and reaps' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l stop-signal -d 'Signal to stop the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l stop-timeout -d 'Seconds to wait before killing a container that is stopped [default: 10]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l timeout -d 'Seconds after which the container is killed' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l ipc -d 'IPC namespace: private or host' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l uts -d 'UTS namespace: private or host' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l cgroupns -d 'Cgroup namespace: private or host' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l shm-size -d 'Size of /dev/shm' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l sysctl -d 'Kernel parameters of the container\'s namespaces' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -s m -l memory -d 'Memory limit' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l memory-reservation -d 'Memory that is protected from being taken by others, as far as the caller\'s own control group is' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l memory-swap -d 'Memory and swap limit; -1 is unlimited' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l cpus -d 'Number of CPUs' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l cpu-period -d 'Microseconds after which the quota of CPU time begins anew [default: 100000]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l cpu-quota -d 'Microseconds of CPU time within each period; 0 and -1 are unlimited' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -s c -l cpu-shares -d 'CPU shares, relative weight' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l cpuset-cpus -d 'CPUs to run on' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l cpuset-mems -d 'Memory nodes to allocate from' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l pids-limit -d 'Limit of processes and threads; -1 is unlimited [default: 2048 where a cgroup can be made at once]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l log-driver -d 'Log driver: k8s-file, journald, none, passthrough or passthrough-tty [default: k8s-file]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l log-opt -d 'Log options: max-size=SIZE and path=FILE (which stays after rm) of k8s-file, tag=TEXT of journald' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l pull -d 'Pull policy: always, missing, never, newer' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l annotation -d 'Add an annotation' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l cidfile -d 'Write the container id to a file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand create" -l restart -d 'Restart policy: no, on-failure[:N], always, unless-stopped [default: no]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l sdnotify -d 'Who tells NOTIFY_SOCKET that the container is ready: container, conmon, healthy or ignore' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l cgroups -d 'Control groups: enabled, disabled, no-conmon or split' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l pidfile -d 'Write the pid of the container\'s process to a file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand create" -l conmon-pidfile -d 'Write the pid of the container\'s supervisor to a file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand create" -l requires -d 'Containers that are started before this one' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l health-cmd -d 'Command that tells whether the container is healthy: a line for /bin/sh -c, a JSON array, or CMD WORDS; none disables the image\'s' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l health-interval -d 'Time from one check to the next, or disable [default: 30s]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l health-timeout -d 'Time after which a check is killed and has failed [default: 30s]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l health-retries -d 'Failures in a row that make the container unhealthy [default: 3]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l health-start-period -d 'Time after the start in which failures do not count [default: 0s]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l health-on-failure -d 'What is done with an unhealthy container: none, kill, restart or stop [default: none]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l health-startup-cmd -d 'Command that tells whether the container is up; until it has succeeded the regular check is not run' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l health-startup-interval -d 'Time from one startup check to the next, or disable [default: 30s]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l health-startup-retries -d 'Failures of the startup check after which the container is started anew; 0: never [default: 0]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l health-startup-success -d 'Successes of the startup check after which the regular check begins; 0 is 1 [default: 0]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l health-startup-timeout -d 'Time after which a startup check is killed and has failed [default: 30s]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l health-log-destination -d 'Where the results of checks go besides inspect: local (nowhere), a directory (ID-healthcheck.log), or events_logger [default: local]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l health-max-log-count -d 'Checks that are kept; 0: as many as have room in 2 MiB [default: 5]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l health-max-log-size -d 'Bytes of a check\'s output that are kept; 0: as many as can be, 1048576 [default: 500]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l secret -d 'Give a secret to the container, as a file below /run/secrets or as a variable' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand create" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand create" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand create" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand create" -l lock-file -d 'Lock file of bolt:// names [default: lock.json of the user\'s data]' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand create" -s i -l interactive -d 'Keep standard input open even if not attached'
complete -c bolt -n "__fish_bolt_using_subcommand create" -s t -l tty -d 'Allocate a terminal'
complete -c bolt -n "__fish_bolt_using_subcommand create" -l rm -d 'Remove the container when it exits'
complete -c bolt -n "__fish_bolt_using_subcommand create" -s P -l publish-all -d 'Publish every exposed port on a free port of the host'
complete -c bolt -n "__fish_bolt_using_subcommand create" -l keep-alive -d 'Without a command, the image\'s neither: stay up for exec, until the last program of exec -d has ended'
complete -c bolt -n "__fish_bolt_using_subcommand create" -l privileged -d 'Give extended privileges: all capabilities, no filter, nothing masked'
complete -c bolt -n "__fish_bolt_using_subcommand create" -l no-healthcheck -d 'Do not check the container\'s health'
complete -c bolt -n "__fish_bolt_using_subcommand create" -l locked -d 'Take what the lock file says of a bolt:// name and nothing else'
complete -c bolt -n "__fish_bolt_using_subcommand create" -s q -l quiet -d 'Suppress progress'
complete -c bolt -n "__fish_bolt_using_subcommand create" -l rootfs -d 'IMAGE is a directory with a root file system'
complete -c bolt -n "__fish_bolt_using_subcommand create" -l dry-run -d 'Show the plan as JSON and make no container; a missing image is pulled'
complete -c bolt -n "__fish_bolt_using_subcommand create" -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand doctor" -s f -l format -d 'Print as "json", or by a Go template for each check' -r
complete -c bolt -n "__fish_bolt_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand image; and not __fish_seen_subcommand_from annotate exists inspect list ls prune pull push rm remove tag untag" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand image; and not __fish_seen_subcommand_from annotate exists inspect list ls prune pull push rm remove tag untag" -f -a "annotate" -d 'Say what an image needs to play a game'
complete -c bolt -n "__fish_bolt_using_subcommand image; and not __fish_seen_subcommand_from annotate exists inspect list ls prune pull push rm remove tag untag" -f -a "exists" -d 'Check whether an image is in the local store: exit code 0 when it is, else 1'
complete -c bolt -n "__fish_bolt_using_subcommand image; and not __fish_seen_subcommand_from annotate exists inspect list ls prune pull push rm remove tag untag" -f -a "inspect" -d 'Show what is known of images'
complete -c bolt -n "__fish_bolt_using_subcommand image; and not __fish_seen_subcommand_from annotate exists inspect list ls prune pull push rm remove tag untag" -f -a "list" -d 'List images'
complete -c bolt -n "__fish_bolt_using_subcommand image; and not __fish_seen_subcommand_from annotate exists inspect list ls prune pull push rm remove tag untag" -f -a "ls" -d 'List images'
complete -c bolt -n "__fish_bolt_using_subcommand image; and not __fish_seen_subcommand_from annotate exists inspect list ls prune pull push rm remove tag untag" -f -a "prune" -d 'Remove images without a name that no container was made from'
complete -c bolt -n "__fish_bolt_using_subcommand image; and not __fish_seen_subcommand_from annotate exists inspect list ls prune pull push rm remove tag untag" -f -a "pull" -d 'Pull an image from a registry, a bucket, an OCI layout or an OCI archive'
complete -c bolt -n "__fish_bolt_using_subcommand image; and not __fish_seen_subcommand_from annotate exists inspect list ls prune pull push rm remove tag untag" -f -a "push" -d 'Push an image to a registry, a bucket, an OCI layout or an OCI archive'
complete -c bolt -n "__fish_bolt_using_subcommand image; and not __fish_seen_subcommand_from annotate exists inspect list ls prune pull push rm remove tag untag" -f -a "rm" -d 'Remove images from the local store'
complete -c bolt -n "__fish_bolt_using_subcommand image; and not __fish_seen_subcommand_from annotate exists inspect list ls prune pull push rm remove tag untag" -f -a "remove" -d 'Remove images from the local store'
complete -c bolt -n "__fish_bolt_using_subcommand image; and not __fish_seen_subcommand_from annotate exists inspect list ls prune pull push rm remove tag untag" -f -a "tag" -d 'Give an image further names'
complete -c bolt -n "__fish_bolt_using_subcommand image; and not __fish_seen_subcommand_from annotate exists inspect list ls prune pull push rm remove tag untag" -f -a "untag" -d 'Take names away from an image; without NAME, all of them'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from annotate" -l game -d 'The metadata: TOML, or JSON in a file called *.json' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from annotate" -l instance -d 'Digest of the manifest in the list, where it has several; or the local name of its image' -r
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from annotate" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from annotate" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from annotate" -l creds -d 'User name and password instead of those of `bolt login`. Other users can see them in the list of processes' -r
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from annotate" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from annotate" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from annotate" -s q -l quiet -d 'Suppress progress'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from annotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Print as "json", or by a Go template for each image' -r
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from list" -l format -d 'Print as "json", "table TEMPLATE" or by a Go template' -r
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from list" -s f -l filter -d 'Show images that pass: reference=, dangling=, label=, before=, since=, id=, digest=, until=' -r
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from list" -l sort -d 'Order of the list' -r -f -a "created\t'The newest first'
id\t'By id'
repository\t'By repository'
size\t'The smallest first'
tag\t'By tag'"
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from list" -s a -l all -d 'Show all images; there are no intermediate ones to hide'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print ids only'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from list" -l digests -d 'Show digests'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from list" -l no-trunc -d 'Show whole ids'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from list" -s n -l noheading -l no-heading -d 'Leave the headings out'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from list" -l outdated -d 'Ask registries, and show images whose tag is a version of which a newer one exists'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from ls" -l format -d 'Print as "json", "table TEMPLATE" or by a Go template' -r
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Show images that pass: reference=, dangling=, label=, before=, since=, id=, digest=, until=' -r
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from ls" -l sort -d 'Order of the list' -r -f -a "created\t'The newest first'
id\t'By id'
repository\t'By repository'
size\t'The smallest first'
tag\t'By tag'"
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from ls" -s a -l all -d 'Show all images; there are no intermediate ones to hide'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print ids only'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from ls" -l digests -d 'Show digests'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from ls" -l no-trunc -d 'Show whole ids'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from ls" -s n -l noheading -l no-heading -d 'Leave the headings out'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from ls" -l outdated -d 'Ask registries, and show images whose tag is a version of which a newer one exists'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from prune" -l filter -d 'Remove images that pass: label=, until=, ...' -r
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove images with names too'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from pull" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from pull" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from pull" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from pull" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from pull" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from pull" -l lock-file -d 'Lock file of bolt:// names [default: lock.json of the user\'s data]' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from pull" -l layout -d 'Id layout of the unpacked files: root-is-user, user-is-user or single' -r
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from pull" -s q -l quiet -d 'Suppress progress'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from pull" -l locked -d 'Take what the lock file says of a bolt:// name and nothing else'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from pull" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from push" -l compression-format -d 'Compress all layers with gzip or zstd, also those that are compressed otherwise' -r -f -a "gzip\t''
zstd\t''"
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from push" -l compression-level -d 'Level of the compressor: gzip 0 to 9, zstd 1 to 20' -r
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from push" -s f -l format -d 'Write the manifest as "oci" or "v2s2" (docker\'s schema 2); without it as it is' -r -f -a "oci\t''
v2s2\t''"
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from push" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from push" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from push" -l creds -d 'User name and password instead of those of `bolt login`. Other users can see them in the list of processes' -r
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from push" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from push" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from push" -l digestfile -d 'Write the digest of the pushed manifest to this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from push" -s q -l quiet -d 'Suppress progress'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from rm" -s a -l all -d 'Remove all images'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from rm" -s f -l force -d 'Remove all names with an id, and containers made from the image that do not run'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from rm" -s i -l ignore -d 'No error for an image that is not there'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from remove" -s a -l all -d 'Remove all images'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from remove" -s f -l force -d 'Remove all names with an id, and containers made from the image that do not run'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from remove" -s i -l ignore -d 'No error for an image that is not there'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from tag" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand image; and __fish_seen_subcommand_from untag" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand images" -l format -d 'Print as "json", "table TEMPLATE" or by a Go template' -r
complete -c bolt -n "__fish_bolt_using_subcommand images" -s f -l filter -d 'Show images that pass: reference=, dangling=, label=, before=, since=, id=, digest=, until=' -r
complete -c bolt -n "__fish_bolt_using_subcommand images" -l sort -d 'Order of the list' -r -f -a "created\t'The newest first'
id\t'By id'
repository\t'By repository'
size\t'The smallest first'
tag\t'By tag'"
complete -c bolt -n "__fish_bolt_using_subcommand images" -s a -l all -d 'Show all images; there are no intermediate ones to hide'
complete -c bolt -n "__fish_bolt_using_subcommand images" -s q -l quiet -d 'Print ids only'
complete -c bolt -n "__fish_bolt_using_subcommand images" -l digests -d 'Show digests'
complete -c bolt -n "__fish_bolt_using_subcommand images" -l no-trunc -d 'Show whole ids'
complete -c bolt -n "__fish_bolt_using_subcommand images" -s n -l noheading -l no-heading -d 'Leave the headings out'
complete -c bolt -n "__fish_bolt_using_subcommand images" -l outdated -d 'Ask registries, and show images whose tag is a version of which a newer one exists'
complete -c bolt -n "__fish_bolt_using_subcommand images" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bolt -n "__fish_bolt_using_subcommand info" -s f -l format -d 'Print as "json", or by a Go template such as {{.Host.CgroupManager}}' -r
complete -c bolt -n "__fish_bolt_using_subcommand info" -l facts -d 'Print as JSON what variants of games are chosen by; BOLT_HOST_FACTS replays it'
complete -c bolt -n "__fish_bolt_using_subcommand info" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand rmi" -s a -l all -d 'Remove all images'
complete -c bolt -n "__fish_bolt_using_subcommand rmi" -s f -l force -d 'Remove all names with an id, and containers made from the image that do not run'
complete -c bolt -n "__fish_bolt_using_subcommand rmi" -s i -l ignore -d 'No error for an image that is not there'
complete -c bolt -n "__fish_bolt_using_subcommand rmi" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand system; and not __fish_seen_subcommand_from check df events info prune" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand system; and not __fish_seen_subcommand_from check df events info prune" -f -a "check" -d 'Look for damage in images, containers and volumes'
complete -c bolt -n "__fish_bolt_using_subcommand system; and not __fish_seen_subcommand_from check df events info prune" -f -a "df" -d 'Show what images, containers and volumes take on the disk'
complete -c bolt -n "__fish_bolt_using_subcommand system; and not __fish_seen_subcommand_from check df events info prune" -f -a "events" -d 'Show what happens to containers, images, volumes and the store'
complete -c bolt -n "__fish_bolt_using_subcommand system; and not __fish_seen_subcommand_from check df events info prune" -f -a "info" -d 'Show what this host and the local store are like'
complete -c bolt -n "__fish_bolt_using_subcommand system; and not __fish_seen_subcommand_from check df events info prune" -f -a "prune" -d 'Remove containers that do not run, and what then nobody needs'
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from check" -s r -l repair -d 'Mend what can be mended; broken images and layers are removed'
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from check" -s q -l quick -d 'Do not read whole blobs'
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from df" -l format -d 'Print as "json", or by a Go template' -r
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from df" -s v -l verbose -d 'Show every image, container and volume'
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from df" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from events" -l since -d 'Only events since this time (2026-01-31T18:30:00Z, seconds since 1970, or a span such as 10m ago)' -r
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from events" -l until -d 'Only events until this time; a span lies ahead: 10m is in ten minutes, -10m was ten minutes ago' -r
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from events" -s f -l filter -d 'Only events that match: artifact, container, event, image, label, status, type, volume' -r
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from events" -l format -d 'Go template, or json: one object a line' -r
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from events" -l stream -d 'Go on with new events; with =false end after those that are there' -r
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from events" -l no-trunc -d 'Whole IDs' -r
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from events" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from info" -s f -l format -d 'Print as "json", or by a Go template such as {{.Host.CgroupManager}}' -r
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from info" -l facts -d 'Print as JSON what variants of games are chosen by; BOLT_HOST_FACTS replays it'
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from info" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from prune" -l keep-size -d 'Remove images without a container, the longest unused first, until all images take no more than this, such as 20g; those that the lock file of bolt:// names pins stay' -r
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from prune" -s a -l all -d 'Remove all images without a container, not only those without a name'
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from prune" -s f -l force -d 'Do not ask'
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from prune" -l volumes -d 'Remove volumes that no container uses'
complete -c bolt -n "__fish_bolt_using_subcommand system; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand tag" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand untag" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand update" -s m -l memory -d 'Memory limit' -r
complete -c bolt -n "__fish_bolt_using_subcommand update" -l memory-reservation -d 'Memory that is protected from being taken by others, as far as the caller\'s own control group is' -r
complete -c bolt -n "__fish_bolt_using_subcommand update" -l memory-swap -d 'Memory and swap limit; -1 is unlimited' -r
complete -c bolt -n "__fish_bolt_using_subcommand update" -l cpus -d 'Number of CPUs' -r
complete -c bolt -n "__fish_bolt_using_subcommand update" -l cpu-period -d 'Microseconds after which the quota of CPU time begins anew [default: 100000]' -r
complete -c bolt -n "__fish_bolt_using_subcommand update" -l cpu-quota -d 'Microseconds of CPU time within each period; 0 and -1 are unlimited' -r
complete -c bolt -n "__fish_bolt_using_subcommand update" -s c -l cpu-shares -d 'CPU shares, relative weight' -r
complete -c bolt -n "__fish_bolt_using_subcommand update" -l cpuset-cpus -d 'CPUs to run on' -r
complete -c bolt -n "__fish_bolt_using_subcommand update" -l cpuset-mems -d 'Memory nodes to allocate from' -r
complete -c bolt -n "__fish_bolt_using_subcommand update" -l pids-limit -d 'Limit of processes and threads; -1 is unlimited [default: 2048 where a cgroup can be made at once]' -r
complete -c bolt -n "__fish_bolt_using_subcommand update" -l restart -d 'Restart policy: no, on-failure[:N], always, unless-stopped' -r
complete -c bolt -n "__fish_bolt_using_subcommand update" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand version" -s f -l format -d 'Print as "json", or by a Go template' -r
complete -c bolt -n "__fish_bolt_using_subcommand version" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect ls list push remove rm" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect ls list push remove rm" -f -a "add" -d 'Add images to a list'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect ls list push remove rm" -f -a "annotate" -d 'Change what a list says of an image'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect ls list push remove rm" -f -a "create" -d 'Create a list'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect ls list push remove rm" -f -a "exists" -d 'Exit with 0 if the list exists, else with 1'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect ls list push remove rm" -f -a "inspect" -d 'Show a list, or the manifest of an image of a registry'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect ls list push remove rm" -f -a "ls" -d 'List the lists'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect ls list push remove rm" -f -a "list" -d 'List the lists'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect ls list push remove rm" -f -a "push" -d 'Push a list with its images'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect ls list push remove rm" -f -a "remove" -d 'Take an image out of a list'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and not __fish_seen_subcommand_from add annotate create exists inspect ls list push remove rm" -f -a "rm" -d 'Remove lists'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from add" -l annotation -d 'Annotation of the image in the list' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from add" -l arch -d 'Architecture, Go\'s name: amd64, arm64, …' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from add" -l os -d 'Operating system' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from add" -l os-version -d 'Version of the operating system' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from add" -l variant -d 'Variant of the architecture, such as v3' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from add" -l features -d 'Feature of the processor' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from add" -l os-features -d 'Feature of the operating system' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from add" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from add" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from add" -l creds -d 'User name and password instead of those of `bolt login`. Other users can see them in the list of processes' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from add" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from add" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from add" -l all -d 'Of images that are lists add all, not only the one for this machine'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l annotation -d 'Annotation of the image in the list' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l arch -d 'Architecture, Go\'s name: amd64, arm64, …' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l os -d 'Operating system' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l os-version -d 'Version of the operating system' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l variant -d 'Variant of the architecture, such as v3' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l features -d 'Feature of the processor' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l os-features -d 'Feature of the operating system' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -l index -d 'Annotate the list itself'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from annotate" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from create" -l annotation -d 'Annotation of the list' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from create" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from create" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from create" -l creds -d 'User name and password instead of those of `bolt login`. Other users can see them in the list of processes' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from create" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from create" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from create" -l all -d 'Of images that are lists take all, not only the one for this machine'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from create" -s a -l amend -d 'Change a list that exists instead of refusing it'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l creds -d 'User name and password instead of those of `bolt login`. Other users can see them in the list of processes' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from ls" -l format -d 'Print as a table, as "json", or by a Go template for each list' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from list" -l format -d 'Print as a table, as "json", or by a Go template for each list' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from push" -l all -d 'Push the images of the list too' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from push" -l compression-format -d 'Compress all layers with gzip or zstd, also those that are compressed otherwise' -r -f -a "gzip\t''
zstd\t''"
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from push" -l compression-level -d 'Level of the compressor: gzip 0 to 9, zstd 1 to 20' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from push" -s f -l format -d 'Write the manifest as "oci" or "v2s2" (docker\'s schema 2); without it as it is' -r -f -a "oci\t''
v2s2\t''"
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from push" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from push" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from push" -l creds -d 'User name and password instead of those of `bolt login`. Other users can see them in the list of processes' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from push" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from push" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from push" -l digestfile -d 'Write the digest of the pushed list to this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from push" -s p -l rm -l purge -d 'Remove the list from here when it has been pushed'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from push" -s q -l quiet -d 'Suppress progress'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from push" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand manifest; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand login" -s u -l username -d 'User name; asked for at a terminal when it is missing' -r
complete -c bolt -n "__fish_bolt_using_subcommand login" -s p -l password -d 'Password or access token. Other users can see it in the list of processes: prefer --password-stdin or the prompt' -r
complete -c bolt -n "__fish_bolt_using_subcommand login" -l authfile -d 'Credential file to use instead [env: REGISTRY_AUTH_FILE]' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand login" -l tls-verify -d 'Demand HTTPS with a valid certificate (registries.conf decides when it is not given)' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand login" -l password-stdin -d 'Read the password from stdin'
complete -c bolt -n "__fish_bolt_using_subcommand login" -l get-login -d 'Print the user name that is logged in, and do nothing else'
complete -c bolt -n "__fish_bolt_using_subcommand login" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bolt -n "__fish_bolt_using_subcommand logout" -l authfile -d 'Credential file to use instead [env: REGISTRY_AUTH_FILE]' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand logout" -s a -l all -d 'Forget the credentials for all registries'
complete -c bolt -n "__fish_bolt_using_subcommand logout" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand mirror; and not __fish_seen_subcommand_from sync" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand mirror; and not __fish_seen_subcommand_from sync" -f -a "sync" -d 'Copy images into a bucket: only what it lacks, and going on where a broken copy stopped'
complete -c bolt -n "__fish_bolt_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c bolt -n "__fish_bolt_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand mirror; and __fish_seen_subcommand_from sync" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand mirror; and __fish_seen_subcommand_from sync" -s q -l quiet -d 'Suppress progress'
complete -c bolt -n "__fish_bolt_using_subcommand mirror; and __fish_seen_subcommand_from sync" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand pull" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c bolt -n "__fish_bolt_using_subcommand pull" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand pull" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand pull" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand pull" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand pull" -l lock-file -d 'Lock file of bolt:// names [default: lock.json of the user\'s data]' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand pull" -l layout -d 'Id layout of the unpacked files: root-is-user, user-is-user or single' -r
complete -c bolt -n "__fish_bolt_using_subcommand pull" -s q -l quiet -d 'Suppress progress'
complete -c bolt -n "__fish_bolt_using_subcommand pull" -l locked -d 'Take what the lock file says of a bolt:// name and nothing else'
complete -c bolt -n "__fish_bolt_using_subcommand pull" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and not __fish_seen_subcommand_from ls list pull push show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and not __fish_seen_subcommand_from ls list pull push show" -f -a "ls" -d 'List the profiles of a registry, a repository or an image'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and not __fish_seen_subcommand_from ls list pull push show" -f -a "list" -d 'List the profiles of a registry, a repository or an image'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and not __fish_seen_subcommand_from ls list pull push show" -f -a "pull" -d 'Fetch a profile into a file'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and not __fish_seen_subcommand_from ls list pull push show" -f -a "push" -d 'Push a profile'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and not __fish_seen_subcommand_from ls list pull push show" -f -a "show" -d 'Show a profile'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from ls" -l search -d 'Only those with this word in name, description, tags or games' -r
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from ls" -l gpu -d 'Only those for GPUs of this vendor' -r -f -a "nvidia\t''
amd\t''
intel\t''
other\t''"
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from ls" -l format -d 'Print as a table, as "json", or by a Go template for each profile' -r
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from ls" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from ls" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from ls" -l creds -d 'User name and password instead of those of `bolt login`. Other users can see them in the list of processes' -r
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from ls" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from ls" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Print references only'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from list" -l search -d 'Only those with this word in name, description, tags or games' -r
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from list" -l gpu -d 'Only those for GPUs of this vendor' -r -f -a "nvidia\t''
amd\t''
intel\t''
other\t''"
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from list" -l format -d 'Print as a table, as "json", or by a Go template for each profile' -r
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from list" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from list" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from list" -l creds -d 'User name and password instead of those of `bolt login`. Other users can see them in the list of processes' -r
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from list" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from list" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print references only'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from pull" -s o -l output -d 'The file, - for stdout; without it the name\'s last part with .toml, in this directory' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from pull" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from pull" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from pull" -l creds -d 'User name and password instead of those of `bolt login`. Other users can see them in the list of processes' -r
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from pull" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from pull" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from pull" -s f -l force -d 'Replace the file where it is there'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from pull" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from push" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from push" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from push" -l creds -d 'User name and password instead of those of `bolt login`. Other users can see them in the list of processes' -r
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from push" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from push" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from push" -l attach -d 'Attach the profile to the image'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from push" -s q -l quiet -d 'Suppress progress'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from push" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from show" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from show" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from show" -l creds -d 'User name and password instead of those of `bolt login`. Other users can see them in the list of processes' -r
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from show" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from show" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand profile; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand push" -l compression-format -d 'Compress all layers with gzip or zstd, also those that are compressed otherwise' -r -f -a "gzip\t''
zstd\t''"
complete -c bolt -n "__fish_bolt_using_subcommand push" -l compression-level -d 'Level of the compressor: gzip 0 to 9, zstd 1 to 20' -r
complete -c bolt -n "__fish_bolt_using_subcommand push" -s f -l format -d 'Write the manifest as "oci" or "v2s2" (docker\'s schema 2); without it as it is' -r -f -a "oci\t''
v2s2\t''"
complete -c bolt -n "__fish_bolt_using_subcommand push" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand push" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand push" -l creds -d 'User name and password instead of those of `bolt login`. Other users can see them in the list of processes' -r
complete -c bolt -n "__fish_bolt_using_subcommand push" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand push" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand push" -l digestfile -d 'Write the digest of the pushed manifest to this file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand push" -s q -l quiet -d 'Suppress progress'
complete -c bolt -n "__fish_bolt_using_subcommand push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bolt -n "__fish_bolt_using_subcommand search" -l gpu -d 'Only what is for GPUs of this vendor' -r -f -a "nvidia\t''
amd\t''
intel\t''
other\t''"
complete -c bolt -n "__fish_bolt_using_subcommand search" -l proton -d 'Only games that are known to run with this version of Proton' -r
complete -c bolt -n "__fish_bolt_using_subcommand search" -l tier -d 'Only games of this performance tier' -r -f -a "streaming\t''
quality\t''
balanced\t''
competitive\t''"
complete -c bolt -n "__fish_bolt_using_subcommand search" -l limit -d 'At most so many results of each registry' -r
complete -c bolt -n "__fish_bolt_using_subcommand search" -l format -d 'Print as a table, as "json", or by a Go template for each result' -r
complete -c bolt -n "__fish_bolt_using_subcommand search" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand search" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand search" -l creds -d 'User name and password instead of those of `bolt login`. Other users can see them in the list of processes' -r
complete -c bolt -n "__fish_bolt_using_subcommand search" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand search" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand search" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove exists" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove exists" -f -a "create" -d 'Create a secret and print its ID'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove exists" -f -a "ls" -d 'List secrets'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove exists" -f -a "list" -d 'List secrets'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove exists" -f -a "inspect" -d 'Show secrets in detail, without their values unless those are asked for'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove exists" -f -a "rm" -d 'Remove secrets; containers that were created with them keep what they got'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove exists" -f -a "remove" -d 'Remove secrets; containers that were created with them keep what they got'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and not __fish_seen_subcommand_from create ls list inspect rm remove exists" -f -a "exists" -d 'Exit with 0 if the secret exists, else with 1'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from create" -s l -l label -d 'Set a label' -r
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from create" -s d -l driver -d 'Where secrets are kept: file' -r -f -a "file\t''"
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from create" -l env -d 'SOURCE is a variable of the environment'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from create" -l replace -d 'Replace the secret of that name, if there is one; containers that have it keep what they got'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from ls" -s f -l filter -d 'Only secrets that match: name, id' -r
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from ls" -l format -d 'Go template or json' -r
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Only IDs'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'No heading'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from list" -s f -l filter -d 'Only secrets that match: name, id' -r
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from list" -l format -d 'Go template or json' -r
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Only IDs'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from list" -s n -l noheading -d 'No heading'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from inspect" -s f -l format -d 'Go template or json' -r
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from inspect" -l pretty -d 'For reading'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from inspect" -l showsecret -d 'Show the values too, as .SecretData'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from rm" -s a -l all -d 'All secrets'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from remove" -s a -l all -d 'All secrets'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand secret; and __fish_seen_subcommand_from exists" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand run" -l detach-keys -d 'Keys that detach a terminal' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l sig-proxy -d 'Forward signals to the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l preserve-fds -d 'Pass descriptors 3 to 2+N of the caller' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l name -d 'Assign a name to the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l replace -d 'If a container with the same name exists, replace it; =exited: unless it runs' -r -f -a "false\t'None: the name is in use'
true\t'Any, a running one too'
exited\t'One that does not run'"
complete -c bolt -n "__fish_bolt_using_subcommand run" -s e -l env -d 'Set environment variables in the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -s v -l volume -d 'Bind mount a path, or mount a named volume' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l mount -d 'Attach a file system mount (type=bind, volume or tmpfs)' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l tmpfs -d 'Mount a tmpfs' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -s w -l workdir -d 'Working directory in the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -s u -l user -d 'User name or uid, and group name or gid' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l entrypoint -d 'Overwrite the image\'s entry point; a JSON array or one word' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -s h -l hostname -d 'Host name of the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -s l -l label -d 'Set metadata' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l read-only -d 'Make the root file system read-only' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l network -l net -d 'Network: none, host, pasta[:OPTION,...] or slirp4netns[:OPTION,...]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -s p -l publish -l ports -d 'Publish ports of the container on the host; without a host port a free one is chosen' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l expose -d 'Say that the container serves a port' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l userns -d 'User namespace: host, keep-id[:uid=N,gid=N], nomap or auto[:size=N]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l cap-add -d 'Add capabilities' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l cap-drop -d 'Drop capabilities' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l security-opt -d 'Security options: seccomp=FILE|unconfined, no-new-privileges, mask=PATHS, unmask=PATHS|ALL' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l device -d 'Add a host device' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l env-file -d 'Read environment variables from a file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand run" -l unsetenv -d 'Remove environment variables that the image sets' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l env-host -d 'Pass the whole environment of the caller' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l passwd -d 'Let the container\'s passwd and group know a user that the image does not; =false: leave them alone [default: true]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l passwd-entry -d 'The line of passwd for such a user; $USERNAME, $UID, $GID, $NAME and $HOME are replaced' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l group-add -d 'Add supplementary groups; keep-groups keeps the caller\'s' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l ulimit -d 'Resource limits' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l umask -d 'umask in the container [default: 0022]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l tz -d 'Time zone in the container, bound to /etc/localtime; local is the host\'s' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l oom-score-adj -d 'Adjust how soon the OOM killer takes the container (-1000 to 1000)' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l init -d 'Run a small init that forwards signals and reaps' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l stop-signal -d 'Signal to stop the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l stop-timeout -d 'Seconds to wait before killing a container that is stopped [default: 10]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l timeout -d 'Seconds after which the container is killed' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l ipc -d 'IPC namespace: private or host' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l uts -d 'UTS namespace: private or host' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l cgroupns -d 'Cgroup namespace: private or host' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l shm-size -d 'Size of /dev/shm' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l sysctl -d 'Kernel parameters of the container\'s namespaces' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -s m -l memory -d 'Memory limit' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l memory-reservation -d 'Memory that is protected from being taken by others, as far as the caller\'s own control group is' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l memory-swap -d 'Memory and swap limit; -1 is unlimited' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l cpus -d 'Number of CPUs' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l cpu-period -d 'Microseconds after which the quota of CPU time begins anew [default: 100000]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l cpu-quota -d 'Microseconds of CPU time within each period; 0 and -1 are unlimited' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -s c -l cpu-shares -d 'CPU shares, relative weight' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l cpuset-cpus -d 'CPUs to run on' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l cpuset-mems -d 'Memory nodes to allocate from' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l pids-limit -d 'Limit of processes and threads; -1 is unlimited [default: 2048 where a cgroup can be made at once]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l log-driver -d 'Log driver: k8s-file, journald, none, passthrough or passthrough-tty [default: k8s-file]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l log-opt -d 'Log options: max-size=SIZE and path=FILE (which stays after rm) of k8s-file, tag=TEXT of journald' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l pull -d 'Pull policy: always, missing, never, newer' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l annotation -d 'Add an annotation' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l cidfile -d 'Write the container id to a file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand run" -l restart -d 'Restart policy: no, on-failure[:N], always, unless-stopped [default: no]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l sdnotify -d 'Who tells NOTIFY_SOCKET that the container is ready: container, conmon, healthy or ignore' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l cgroups -d 'Control groups: enabled, disabled, no-conmon or split' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l pidfile -d 'Write the pid of the container\'s process to a file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand run" -l conmon-pidfile -d 'Write the pid of the container\'s supervisor to a file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand run" -l requires -d 'Containers that are started before this one' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l health-cmd -d 'Command that tells whether the container is healthy: a line for /bin/sh -c, a JSON array, or CMD WORDS; none disables the image\'s' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l health-interval -d 'Time from one check to the next, or disable [default: 30s]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l health-timeout -d 'Time after which a check is killed and has failed [default: 30s]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l health-retries -d 'Failures in a row that make the container unhealthy [default: 3]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l health-start-period -d 'Time after the start in which failures do not count [default: 0s]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l health-on-failure -d 'What is done with an unhealthy container: none, kill, restart or stop [default: none]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l health-startup-cmd -d 'Command that tells whether the container is up; until it has succeeded the regular check is not run' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l health-startup-interval -d 'Time from one startup check to the next, or disable [default: 30s]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l health-startup-retries -d 'Failures of the startup check after which the container is started anew; 0: never [default: 0]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l health-startup-success -d 'Successes of the startup check after which the regular check begins; 0 is 1 [default: 0]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l health-startup-timeout -d 'Time after which a startup check is killed and has failed [default: 30s]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l health-log-destination -d 'Where the results of checks go besides inspect: local (nowhere), a directory (ID-healthcheck.log), or events_logger [default: local]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l health-max-log-count -d 'Checks that are kept; 0: as many as have room in 2 MiB [default: 5]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l health-max-log-size -d 'Bytes of a check\'s output that are kept; 0: as many as can be, 1048576 [default: 500]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l secret -d 'Give a secret to the container, as a file below /run/secrets or as a variable' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand run" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand run" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand run" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand run" -l lock-file -d 'Lock file of bolt:// names [default: lock.json of the user\'s data]' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand run" -s d -l detach -d 'Run in the background and print the container\'s id'
complete -c bolt -n "__fish_bolt_using_subcommand run" -s i -l interactive -d 'Keep standard input open even if not attached'
complete -c bolt -n "__fish_bolt_using_subcommand run" -s t -l tty -d 'Allocate a terminal'
complete -c bolt -n "__fish_bolt_using_subcommand run" -l rm -d 'Remove the container when it exits'
complete -c bolt -n "__fish_bolt_using_subcommand run" -s P -l publish-all -d 'Publish every exposed port on a free port of the host'
complete -c bolt -n "__fish_bolt_using_subcommand run" -l keep-alive -d 'Without a command, the image\'s neither: stay up for exec, until the last program of exec -d has ended'
complete -c bolt -n "__fish_bolt_using_subcommand run" -l privileged -d 'Give extended privileges: all capabilities, no filter, nothing masked'
complete -c bolt -n "__fish_bolt_using_subcommand run" -l no-healthcheck -d 'Do not check the container\'s health'
complete -c bolt -n "__fish_bolt_using_subcommand run" -l locked -d 'Take what the lock file says of a bolt:// name and nothing else'
complete -c bolt -n "__fish_bolt_using_subcommand run" -s q -l quiet -d 'Suppress progress'
complete -c bolt -n "__fish_bolt_using_subcommand run" -l rootfs -d 'IMAGE is a directory with a root file system'
complete -c bolt -n "__fish_bolt_using_subcommand run" -l dry-run -d 'Show the plan as JSON and make no container; a missing image is pulled'
complete -c bolt -n "__fish_bolt_using_subcommand run" -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand source; and not __fish_seen_subcommand_from ls list" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand source; and not __fish_seen_subcommand_from ls list" -f -a "ls" -d 'List sources in the order of their rank, and why they have it'
complete -c bolt -n "__fish_bolt_using_subcommand source; and not __fish_seen_subcommand_from ls list" -f -a "list" -d 'List sources in the order of their rank, and why they have it'
complete -c bolt -n "__fish_bolt_using_subcommand source; and __fish_seen_subcommand_from ls" -l format -d 'Print as "json", or by a Go template' -r
complete -c bolt -n "__fish_bolt_using_subcommand source; and __fish_seen_subcommand_from ls" -s n -l noheading -d 'No headings'
complete -c bolt -n "__fish_bolt_using_subcommand source; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand source; and __fish_seen_subcommand_from list" -l format -d 'Print as "json", or by a Go template' -r
complete -c bolt -n "__fish_bolt_using_subcommand source; and __fish_seen_subcommand_from list" -s n -l noheading -d 'No headings'
complete -c bolt -n "__fish_bolt_using_subcommand source; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand surge; and not __fish_seen_subcommand_from run" -s h -l help -d 'Print help'
complete -c bolt -n "__fish_bolt_using_subcommand surge; and not __fish_seen_subcommand_from run" -f -a "run" -d 'Run a command in a new container, with nvbind\'s flags'
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l detach-keys -d 'Keys that detach a terminal' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l sig-proxy -d 'Forward signals to the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l preserve-fds -d 'Pass descriptors 3 to 2+N of the caller' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l name -d 'Assign a name to the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l replace -d 'If a container with the same name exists, replace it; =exited: unless it runs' -r -f -a "false\t'None: the name is in use'
true\t'Any, a running one too'
exited\t'One that does not run'"
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -s e -l env -d 'Set environment variables in the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -s v -l volume -d 'Bind mount a path, or mount a named volume' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l mount -d 'Attach a file system mount (type=bind, volume or tmpfs)' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l tmpfs -d 'Mount a tmpfs' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -s w -l workdir -d 'Working directory in the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -s u -l user -d 'User name or uid, and group name or gid' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l entrypoint -d 'Overwrite the image\'s entry point; a JSON array or one word' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -s h -l hostname -d 'Host name of the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -s l -l label -d 'Set metadata' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l read-only -d 'Make the root file system read-only' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l network -l net -d 'Network: none, host, pasta[:OPTION,...] or slirp4netns[:OPTION,...]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -s p -l publish -l ports -d 'Publish ports of the container on the host; without a host port a free one is chosen' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l expose -d 'Say that the container serves a port' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l userns -d 'User namespace: host, keep-id[:uid=N,gid=N], nomap or auto[:size=N]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l cap-add -d 'Add capabilities' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l cap-drop -d 'Drop capabilities' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l security-opt -d 'Security options: seccomp=FILE|unconfined, no-new-privileges, mask=PATHS, unmask=PATHS|ALL' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l device -d 'Add a host device' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l env-file -d 'Read environment variables from a file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l unsetenv -d 'Remove environment variables that the image sets' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l env-host -d 'Pass the whole environment of the caller' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l passwd -d 'Let the container\'s passwd and group know a user that the image does not; =false: leave them alone [default: true]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l passwd-entry -d 'The line of passwd for such a user; $USERNAME, $UID, $GID, $NAME and $HOME are replaced' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l group-add -d 'Add supplementary groups; keep-groups keeps the caller\'s' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l ulimit -d 'Resource limits' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l umask -d 'umask in the container [default: 0022]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l tz -d 'Time zone in the container, bound to /etc/localtime; local is the host\'s' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l oom-score-adj -d 'Adjust how soon the OOM killer takes the container (-1000 to 1000)' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l init -d 'Run a small init that forwards signals and reaps' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l stop-signal -d 'Signal to stop the container' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l stop-timeout -d 'Seconds to wait before killing a container that is stopped [default: 10]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l timeout -d 'Seconds after which the container is killed' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l ipc -d 'IPC namespace: private or host' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l uts -d 'UTS namespace: private or host' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l cgroupns -d 'Cgroup namespace: private or host' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l shm-size -d 'Size of /dev/shm' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l sysctl -d 'Kernel parameters of the container\'s namespaces' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -s m -l memory -d 'Memory limit' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l memory-reservation -d 'Memory that is protected from being taken by others, as far as the caller\'s own control group is' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l memory-swap -d 'Memory and swap limit; -1 is unlimited' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l cpus -d 'Number of CPUs' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l cpu-period -d 'Microseconds after which the quota of CPU time begins anew [default: 100000]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l cpu-quota -d 'Microseconds of CPU time within each period; 0 and -1 are unlimited' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -s c -l cpu-shares -d 'CPU shares, relative weight' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l cpuset-cpus -d 'CPUs to run on' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l cpuset-mems -d 'Memory nodes to allocate from' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l pids-limit -d 'Limit of processes and threads; -1 is unlimited [default: 2048 where a cgroup can be made at once]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l log-driver -d 'Log driver: k8s-file, journald, none, passthrough or passthrough-tty [default: k8s-file]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l log-opt -d 'Log options: max-size=SIZE and path=FILE (which stays after rm) of k8s-file, tag=TEXT of journald' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l pull -d 'Pull policy: always, missing, never, newer' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l annotation -d 'Add an annotation' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l cidfile -d 'Write the container id to a file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l restart -d 'Restart policy: no, on-failure[:N], always, unless-stopped [default: no]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l sdnotify -d 'Who tells NOTIFY_SOCKET that the container is ready: container, conmon, healthy or ignore' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l cgroups -d 'Control groups: enabled, disabled, no-conmon or split' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l pidfile -d 'Write the pid of the container\'s process to a file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l conmon-pidfile -d 'Write the pid of the container\'s supervisor to a file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l requires -d 'Containers that are started before this one' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l health-cmd -d 'Command that tells whether the container is healthy: a line for /bin/sh -c, a JSON array, or CMD WORDS; none disables the image\'s' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l health-interval -d 'Time from one check to the next, or disable [default: 30s]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l health-timeout -d 'Time after which a check is killed and has failed [default: 30s]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l health-retries -d 'Failures in a row that make the container unhealthy [default: 3]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l health-start-period -d 'Time after the start in which failures do not count [default: 0s]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l health-on-failure -d 'What is done with an unhealthy container: none, kill, restart or stop [default: none]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l health-startup-cmd -d 'Command that tells whether the container is up; until it has succeeded the regular check is not run' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l health-startup-interval -d 'Time from one startup check to the next, or disable [default: 30s]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l health-startup-retries -d 'Failures of the startup check after which the container is started anew; 0: never [default: 0]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l health-startup-success -d 'Successes of the startup check after which the regular check begins; 0 is 1 [default: 0]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l health-startup-timeout -d 'Time after which a startup check is killed and has failed [default: 30s]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l health-log-destination -d 'Where the results of checks go besides inspect: local (nowhere), a directory (ID-healthcheck.log), or events_logger [default: local]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l health-max-log-count -d 'Checks that are kept; 0: as many as have room in 2 MiB [default: 5]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l health-max-log-size -d 'Bytes of a check\'s output that are kept; 0: as many as can be, 1048576 [default: 500]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l secret -d 'Give a secret to the container, as a file below /run/secrets or as a variable' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l platform -d 'Platform of the image: OS/ARCH[/VARIANT]' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l authfile -d 'Path of the credentials file' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l tls-verify -d 'Verify certificates of registries' -r -f -a "true\t''
false\t''"
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l cert-dir -d 'Directory with certificates of the registry' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l retry -d 'How often a request that may pass is tried again' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l lock-file -d 'Lock file of bolt:// names [default: lock.json of the user\'s data]' -r -F
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l seccomp -d 'As --security-opt seccomp=FILE|unconfined' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l apparmor -d 'Not applied in this version, which is told; unconfined is what holds' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l gpu -l gpus -d 'Adds no device in this version, which is told: --device does' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l cdi-device -d 'Adds no device in this version, which is told: --device does' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l runtime-optimization -d 'Not applied in this version, which is told' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l capsule-isolation -d 'Not applied in this version, which is told' -r
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -s d -l detach -d 'Run in the background and print the container\'s id'
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -s i -l interactive -d 'Keep standard input open even if not attached'
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -s t -l tty -d 'Allocate a terminal'
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l rm -d 'Remove the container when it exits'
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -s P -l publish-all -d 'Publish every exposed port on a free port of the host'
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l keep-alive -d 'Without a command, the image\'s neither: stay up for exec, until the last program of exec -d has ended'
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l privileged -d 'Give extended privileges: all capabilities, no filter, nothing masked'
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l no-healthcheck -d 'Do not check the container\'s health'
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l locked -d 'Take what the lock file says of a bolt:// name and nothing else'
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -s q -l quiet -d 'Suppress progress'
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l rootfs -d 'IMAGE is a directory with a root file system'
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l dry-run -d 'Show the plan as JSON and make no container; a missing image is pulled'
complete -c bolt -n "__fish_bolt_using_subcommand surge; and __fish_seen_subcommand_from run" -l help -d 'Print help'
