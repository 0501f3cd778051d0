// Package maven is the Maven ecosystem: coordinates, versions and snapshots in the order of Maven 3.8.7 to 3.9 (maven.md §1;
// scanning.md §1.4), what POMs, jars and Gradle modules say (Format), and the repository protocol and publishing API that clients
// speak (Door).
package maven
